// Package nearest finds the name that was probably meant by one that does not exist.
package nearest

import "strings"

// longest bounds the work for names from outside.
const longest = 64

// Of returns the candidate that name was probably meant to be, or "". Case does not matter,
// and hyphens and underscores count as equal. Of equally near candidates, it returns the
// first.
func Of(name string, candidates []string) string {
	if len(name) > longest {
		return ""
	}
	best, least := "", max(1, len(name)/3)+1
	for _, c := range candidates {
		if d := distance(normal(name), normal(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

func normal(name string) string { return strings.ReplaceAll(strings.ToLower(name), "-", "_") }

// distance returns the number of bytes that must be inserted, removed, replaced, or exchanged
// with the next one, to turn a into b.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
