import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

export default defineConfig({
  plugins: [react()],
  // The client is a link into this repository, where it has another React for its tests.
  resolve: { dedupe: ['react', 'react-dom'] },
})
