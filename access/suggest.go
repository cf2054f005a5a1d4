package access

import (
	"slices"
	"strings"
)

// suggestion returns a note that names the one of the known keys that is most like an
// unknown one, or "" if none is.
func suggestion(name string, known []string) string {
	const longest = 32 // bounds the work
	if len(name) > longest {
		return ""
	}
	slices.Sort(known) // for the same result each time
	best, distance := "", longest
	for _, k := range known {
		if d := edits(strings.ToLower(name), k); d < distance && d <= len(k)/2 {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return " (did you mean " + best + "?)"
}

// edits returns the number of insertions, deletions and replacements of a byte that turn
// a into b.
func edits(a, b string) int {
	row := make([]int, len(b)+1) // distances between the part of a so far and each prefix of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := min(row[j], row[j+1]) + 1
			if a[i] == b[j] {
				d = min(d, diagonal)
			} else {
				d = min(d, diagonal+1)
			}
			diagonal, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}
