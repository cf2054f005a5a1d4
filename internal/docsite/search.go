package docsite

import "encoding/json"

// indexed is a page in the index that assets/search.js searches.
type indexed struct {
	File     string      `json:"file"`
	Title    string      `json:"title"`
	Short    string      `json:"short"`
	Group    string      `json:"group"`
	Sections [][3]string `json:"sections"` // anchor, heading and text; the first one is the introduction
}

// index returns the index of all pages.
func (s *Site) index() ([]byte, error) {
	var list []indexed
	for _, p := range s.pages {
		entry := indexed{File: p.Name(), Title: p.Title, Short: p.Short, Group: p.Group}
		for _, part := range p.sections {
			entry.Sections = append(entry.Sections, [3]string{part.anchor, part.heading, part.text})
		}
		list = append(list, entry)
	}
	return json.Marshal(list)
}
