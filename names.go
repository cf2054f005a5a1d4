package ignis

import (
	"fmt"
	"slices"
	"strings"
)

// nameOf returns the name of v, or a text with its type and number if it has none.
func nameOf[T ~uint8](v T, names []string, typ string) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("%s(%d)", typ, uint8(v))
}

// parseName sets v to the value with the name text. what is used in the error.
func parseName[T ~uint8](v *T, names []string, what string, text []byte) error {
	i := slices.Index(names, string(text))
	if i < 0 {
		return fmt.Errorf("%s %.50q: want one of %s", what, text, strings.Join(names, ", "))
	}
	*v = T(i)
	return nil
}
