package jwtauth

// maxTries is the maximum number of keys with which the signature of one token is checked.
const maxTries = 16

// keySet contains all keys of a Verifier. It is immutable.
type keySet struct {
	all       []*key
	byID      map[string][]*key
	anonymous []*key // those without an ID
}

func newKeySet(all []*key) *keySet {
	s := &keySet{all: all, byID: make(map[string][]*key)}
	for _, k := range all {
		if k.id == "" {
			s.anonymous = append(s.anonymous, k)
		} else {
			s.byID[k.id] = append(s.byID[k.id], k)
		}
	}
	return s
}

// verdict is the result of checking the signature of a token with a keySet.
type verdict struct {
	valid   bool
	known   bool // there is a key with the token's key ID
	tried   int  // number of keys that the signature was checked with
	tooMany bool // more than maxTries keys would have to be tried
}

// check verifies the signature with the keys that have the token's key ID and then with
// those that have none, or with all keys if the token names none. Keys for other algorithms
// than the token's are skipped.
func (s *keySet) check(t *parts) verdict {
	if t.keyID == "" {
		var v verdict
		v.try(s.all, t)
		return v
	}
	named := s.byID[t.keyID]
	v := verdict{known: len(named) > 0}
	v.try(named, t)
	v.try(s.anonymous, t)
	return v
}

func (v *verdict) try(keys []*key, t *parts) {
	set := t.algorithm.set()
	for _, k := range keys {
		if v.valid || k.algorithms&set == 0 {
			continue
		}
		if v.tried == maxTries {
			v.tooMany = true
			return
		}
		v.tried++
		v.valid = t.algorithm.method.Verify(t.signed, t.signature, k.material) == nil
	}
}
