import { StrictMode, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { Chat, Status } from './Chat.js'

function App() {
  const [room, setRoom] = useState('lobby')
  return (
    <main style={{ maxWidth: '40rem', margin: '2rem auto', padding: '0 1rem', fontFamily: 'system-ui' }}>
      <h1>Chat</h1>
      <Status />
      <nav>
        {['lobby', 'kitchen'].map((name) => (
          <button key={name} aria-pressed={name === room} onClick={() => setRoom(name)}>
            {name}
          </button>
        ))}
      </nav>
      <Chat key={room} room={room} />
    </main>
  )
}

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <App />
  </StrictMode>,
)
