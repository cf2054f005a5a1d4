package httpapi

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// Scope is a right of a [Key].
type Scope string

// The scopes.
const (
	ScopePublish Scope = "publish" // publish messages
	ScopeRead    Scope = "read"    // list clients, users and rooms, and read the state
	ScopeManage  Scope = "manage"  // disconnect clients, revoke access, and change the rooms of clients
)

// Key describes an API key: who may use it, and for what. The key itself is not part of it, only
// its hash. [NewKey] makes both.
type Key struct {
	// ID is the part of the key before the dot. It names the key in the log. It has 1 to 64
	// letters, digits, hyphens and underscores.
	ID string
	// Hashes are the results of [HashKey] for the keys with this ID. During a rotation, there
	// are several.
	Hashes []string
	// Scopes are the rights of the key, at least one.
	Scopes []Scope
	// Rooms restricts the key to the rooms that match one of the patterns, in which * stands
	// for any characters. A restricted key can publish to these rooms, and not to users,
	// clients or everyone. It can make clients join and leave these rooms, and list their
	// clients. It cannot disconnect clients, revoke access, list users, or describe a single
	// client. Every client is in a room named by its ID, which a pattern such as * or a*
	// matches, too. Empty: all rooms and everything else that the scopes allow.
	Rooms []string
	// Rate is the number of requests and messages per second that are accepted with the key
	// by this instance. A request to publish counts as its number of messages. 0: 10,000.
	// Negative: no limit.
	Rate float64
	// Burst is the number of requests and messages that are accepted in a burst. 0: as many
	// as Rate allows in a second, at least 1.
	Burst int
}

const (
	maxKeyID = 64
	maxKey   = 256 // bytes of a key as sent by a client
	hashKind = "sha256:"
)

// NewKey returns a new random key with the ID, and its hash for [Key].Hashes. Give the key to
// the client and keep only the hash.
func NewKey(id string) (key, hash string, err error) {
	if err := checkKeyID(id); err != nil {
		return "", "", fmt.Errorf("httpapi: %w", err)
	}
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never returns an error
	key = id + "." + base64.RawURLEncoding.EncodeToString(secret[:])
	return key, HashKey(key), nil
}

// HashKey returns the hash of a key for [Key].Hashes. A fast hash is enough for the keys that
// [NewKey] makes, because they have 256 random bits. Do not use it for a key that a person has
// chosen.
func HashKey(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hashKind + hex.EncodeToString(sum[:])
}

func checkKeyID(id string) error {
	ok := id != "" && len(id) <= maxKeyID
	for _, c := range []byte(id) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_')
	}
	if !ok {
		return fmt.Errorf("the ID of a key is %.80q: want 1 to %d letters, digits, hyphens and underscores", id, maxKeyID)
	}
	return nil
}

// key is a checked Key.
type key struct {
	id     string
	hashes [][sha256.Size]byte
	scopes map[Scope]bool
	rooms  []string
	bucket *bucket // nil: no limit
	once   *window // of requests with an idempotency key
}

// CheckKeys returns an error if keys cannot be Config.Keys, because one of them is invalid or two
// of them have the same ID.
func CheckKeys(keys []Key) error {
	if _, err := newKeys(keys); err != nil {
		return fmt.Errorf("httpapi: %w", err)
	}
	return nil
}

// SetKeys replaces Config.Keys. Requests that have been admitted continue with the previous keys.
// What is remembered for idempotency keys stays, as does their number for a key with the same ID,
// and the rate that is left of one whose Rate and Burst are the same as well. If keys is empty, all
// requests that need a key are refused. If there is an error, which is that of [CheckKeys], the
// previous keys stay in use. SetKeys may be called concurrently.
func (h *Handler) SetKeys(keys []Key) error {
	fresh, err := newKeys(keys)
	if err != nil {
		return fmt.Errorf("httpapi: %w", err)
	}
	h.use(fresh)
	return nil
}

// use makes keys effective, with what was counted for keys with the same IDs.
func (h *Handler) use(keys map[string]*key) {
	var previous map[string]*key
	if p := h.keys.Load(); p != nil {
		previous = *p
	}
	for id, k := range keys {
		old := previous[id]
		if old == nil {
			k.once = h.once.newWindow()
			continue
		}
		k.once = old.once
		if old.bucket.like(k.bucket) {
			k.bucket = old.bucket
		}
	}
	h.keys.Store(&keys)
}

// newKeys returns the checked keys by ID.
func newKeys(list []Key) (map[string]*key, error) {
	keys := make(map[string]*key, len(list))
	for _, k := range list {
		if keys[k.ID] != nil {
			return nil, fmt.Errorf("two keys have the ID %s: put both hashes into one Key", k.ID)
		}
		checked, err := newKey(k)
		if err != nil {
			return nil, err
		}
		keys[k.ID] = checked
	}
	return keys, nil
}

func newKey(k Key) (*key, error) {
	if err := checkKeyID(k.ID); err != nil {
		return nil, err
	}
	out := &key{id: k.ID, scopes: make(map[Scope]bool), rooms: slices.Clone(k.Rooms)}
	if len(k.Hashes) == 0 {
		return nil, fmt.Errorf("key %s has no hashes: make one with NewKey", k.ID)
	}
	for _, text := range k.Hashes {
		sum, err := hex.DecodeString(strings.TrimPrefix(text, hashKind))
		if err != nil || !strings.HasPrefix(text, hashKind) || len(sum) != sha256.Size {
			return nil, fmt.Errorf("key %s: a hash is malformed: want %s and 64 hexadecimal digits, as HashKey returns", k.ID, hashKind)
		}
		out.hashes = append(out.hashes, [sha256.Size]byte(sum))
	}
	if len(k.Scopes) == 0 {
		return nil, fmt.Errorf("key %s has no scopes: want publish, read or manage", k.ID)
	}
	for _, s := range k.Scopes {
		if s != ScopePublish && s != ScopeRead && s != ScopeManage {
			return nil, fmt.Errorf("key %s has the scope %.20q: want publish, read or manage", k.ID, s)
		}
		out.scopes[s] = true
	}
	for _, pattern := range k.Rooms {
		if pattern == "" {
			return nil, fmt.Errorf("key %s has an empty pattern for rooms: want a name or a pattern such as team-*", k.ID)
		}
	}
	if k.Burst < 0 {
		return nil, fmt.Errorf("key %s: Burst must not be negative", k.ID)
	}
	out.bucket = newBucket(k.Rate, k.Burst)
	return out, nil
}

// restricted reports whether the key is restricted to some rooms.
func (k *key) restricted() bool { return len(k.rooms) > 0 }

// allowsRoom reports whether the key may be used for the room.
func (k *key) allowsRoom(room string) bool {
	if !k.restricted() {
		return true
	}
	for _, pattern := range k.rooms {
		if matches(pattern, room) {
			return true
		}
	}
	return false
}

// allows reports whether the key may be used for the recipients.
func (k *key) allows(to ignis.Address) bool {
	if to.Type == wire.TypeRoom {
		return k.allowsRoom(to.Name)
	}
	return !k.restricted()
}

// matches reports whether name matches a pattern in which * stands for any characters. It takes
// at most len(pattern)*len(name) steps.
func matches(pattern, name string) bool {
	// back is where to continue if the text after the last * does not match.
	p, n, star, back := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, back = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0:
			back++
			p, n = star+1, back
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

var errNoKey = errors.New("no key")

// bearer returns the key of a request, and its ID. The error is errNoKey if the request has
// none.
func bearer(r *http.Request) (token, id string, err error) {
	values := r.Header["Authorization"]
	switch {
	case len(values) == 0:
		return "", "", errNoKey
	case len(values) > 1:
		return "", "", errors.New("several Authorization headers")
	}
	const scheme = "bearer "
	v := values[0]
	if len(v) <= len(scheme) || !strings.EqualFold(v[:len(scheme)], scheme) {
		return "", "", errors.New("the Authorization header is not of the form Bearer KEY")
	}
	token = strings.TrimLeft(v[len(scheme):], " ")
	id, _, ok := strings.Cut(token, ".")
	if !ok || len(token) > maxKey {
		return "", "", errors.New("malformed key")
	}
	return token, id, nil
}

// has reports whether one of the key's hashes is that of the token. The time that it takes does
// not depend on the token's characters. k may be nil, for an unknown key.
func (k *key) has(token string) bool {
	var buffer [maxKey]byte // on the stack
	sum := sha256.Sum256(buffer[:copy(buffer[:], token)])
	if k == nil {
		var none [sha256.Size]byte
		subtle.ConstantTimeCompare(sum[:], none[:])
		return false
	}
	equal := 0
	for i := range k.hashes {
		equal |= subtle.ConstantTimeCompare(sum[:], k.hashes[i][:])
	}
	return equal == 1
}
