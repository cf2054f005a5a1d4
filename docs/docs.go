// Package docs contains the documentation, as Markdown. Package docsite makes a site of it.
package docs

import "embed"

// Files contains the pages, the pictures in them, and navigation.txt, which lists the pages in the
// order of the site. A picture of another kind, or in a folder, must be added here.
//
//go:embed *.md *.png navigation.txt
var Files embed.FS
