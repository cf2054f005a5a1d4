package docsite

import (
	"bytes"
	"fmt"
)

// llms returns a list of the pages in the format of llmstxt.org. Its links are relative and lead to
// the Markdown.
func (s *Site) llms() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n> %s\n", name, description)
	fmt.Fprintf(&b, "\nThe links lead to Markdown. [llms-full.txt](llms-full.txt) contains all pages.\n")
	for _, g := range s.groups {
		fmt.Fprintf(&b, "\n## %s\n\n", g.Name)
		for _, p := range g.Pages {
			fmt.Fprintf(&b, "- [%s](%s)", p.Title, p.File)
			if p.Summary != "" {
				fmt.Fprintf(&b, ": %s", p.Summary)
			}
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// llmsFull returns the Markdown of all pages.
func (s *Site) llmsFull() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "> %s\n", description)
	for _, p := range s.pages {
		fmt.Fprintf(&b, "\n<!-- %s -->\n\n", p.File)
		b.Write(bytes.TrimSpace(p.source))
		b.WriteByte('\n')
	}
	return b.Bytes()
}
