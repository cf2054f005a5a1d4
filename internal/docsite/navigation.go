package docsite

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// navigationFile lists the pages of a site.
const navigationFile = "navigation.txt"

// group is a group of pages.
type group struct {
	Name  string
	Pages []*page
}

// readNavigation returns the groups that the list names. Both a listed page that does not exist and a
// page that is not listed are errors. A group without pages is left out.
func readNavigation(files fs.FS) ([]group, error) {
	text, err := fs.ReadFile(files, navigationFile)
	if err != nil {
		return nil, err
	}
	existing, err := fs.Glob(files, "*.md")
	if err != nil {
		return nil, err
	}
	var groups []group
	listed := make(map[string]bool)
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || fields[0][0] == '#':
		case line[0] != ' ' && line[0] != '\t':
			groups = append(groups, group{Name: strings.TrimSpace(line)})
		case len(groups) == 0 || len(fields) < 2:
			return nil, fmt.Errorf("%s:%d: expected a file and its short title, in a group", navigationFile, number)
		case listed[fields[0]]:
			return nil, fmt.Errorf("%s:%d: %s is listed twice", navigationFile, number, fields[0])
		case !slices.Contains(existing, fields[0]):
			return nil, fmt.Errorf("%s:%d: %s does not exist: write the page, or remove the line", navigationFile, number, fields[0])
		default:
			listed[fields[0]] = true
			g := &groups[len(groups)-1]
			g.Pages = append(g.Pages, &page{File: fields[0], Short: strings.Join(fields[1:], " "), Group: g.Name})
		}
	}
	for _, file := range existing {
		if !listed[file] {
			return nil, fmt.Errorf("%s does not list %s: add a line with the file and a short title", navigationFile, file)
		}
	}
	return slices.DeleteFunc(groups, func(g group) bool { return len(g.Pages) == 0 }), nil
}
