package promignis

import (
	"maps"
	"strings"
	"sync"
)

// tally counts rare events by the values of their labels.
type tally[K comparable] struct {
	mu     sync.Mutex
	counts map[K]uint64
}

func (t *tally[K]) add(key K, n uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = make(map[K]uint64)
	}
	t.counts[key] += n
}

func (t *tally[K]) snapshot() map[K]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.counts)
}

const (
	// other replaces values that exceed the limits below.
	other = "other"
	// maxValues is the maximum number of values of a label that the application chooses, such
	// as the names of jobs. An application may make a mistake and use what a client sent.
	maxValues = 100
	// maxValueLength is the maximum length of such a value in bytes.
	maxValueLength = 120
)

// vocabulary limits the values of a label. The first maxValues are kept.
type vocabulary struct {
	mu    sync.Mutex
	known map[string]string
}

// value returns the value for a label, which is text or other.
func (v *vocabulary) value(text string) string {
	if len(text) > maxValueLength {
		text = text[:maxValueLength]
	}
	// Texts that are equal as labels, which are valid UTF-8, must have one value, because a
	// scrape fails if two series are equal.
	text = strings.ToValidUTF8(text, "\uFFFD")
	v.mu.Lock()
	defer v.mu.Unlock()
	if kept, ok := v.known[text]; ok {
		return kept
	}
	if len(v.known) >= maxValues {
		return other
	}
	if v.known == nil {
		v.known = make(map[string]string)
	}
	text = strings.Clone(text) // it may be a part of something large
	v.known[text] = text
	return text
}
