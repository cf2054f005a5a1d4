package httpapi

// NewMemory returns the Store that is used if none is configured.
func NewMemory() Store { return newMemory() }

// MemoryClaims returns the number of claims in a memory, if it is consistent.
func MemoryClaims(s Store) int {
	m := s.(*memory)
	bytes := 0
	for key, c := range m.claims {
		bytes += len(key) + len(c.value) + claimOverhead
	}
	if bytes != m.bytes || len(m.ends) != len(m.claims) {
		return -1
	}
	return len(m.claims)
}
