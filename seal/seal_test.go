package seal_test

import (
	"bytes"
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ignis-go/ignis/seal"
)

// vector contains all intermediate values of an exchange, computed by another
// implementation. Byte slices are encoded in base64.
type vector struct {
	ServerPrivateD, ClientPrivateD   []byte
	ServerPublicKey, ClientPublicKey string
	Salt                             string
	HKDFInfo                         string `json:"hkdfInfo"`
	SharedSecret, AESKey             []byte
	IV                               []byte
	AdditionalData                   *string
	Plaintext                        string
	CT                               []byte
}

func vectors(t testing.TB) (list []vector) {
	t.Helper()
	text, err := os.ReadFile("../wire/testdata/vectors/ecdh-p256-aes-gcm.json")
	if err != nil {
		t.Fatal(err)
	}
	var file any
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	// The vectors are objects in a list at any depth.
	var find func(any)
	find = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				find(e)
			}
		case map[string]any:
			if v["ct"] == nil {
				for _, e := range v {
					find(e)
				}
				return
			}
			text, _ := json.Marshal(v)
			var c vector
			if err := json.Unmarshal(text, &c); err != nil {
				t.Fatal(err)
			}
			list = append(list, c)
		}
	}
	find(file)
	if len(list) < 2 {
		t.Fatalf("%d vectors", len(list))
	}
	return list
}

func (v vector) aad() []byte {
	if v.AdditionalData == nil {
		return nil
	}
	return []byte(*v.AdditionalData)
}

func private(t testing.TB, d []byte) *ecdh.PrivateKey {
	t.Helper()
	k, err := ecdh.P256().NewPrivateKey(d)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func TestVectors(t *testing.T) {
	defaults := 0
	defer func() {
		if defaults == 0 {
			t.Errorf("no vector has the default info %q", seal.Info)
		}
	}()
	for _, v := range vectors(t) {
		server, client := private(t, v.ServerPrivateD), private(t, v.ClientPrivateD)
		if got := seal.PublicKey(server); got != v.ServerPublicKey {
			t.Errorf("server's public key %s, want %s", got, v.ServerPublicKey)
		}
		if got := seal.PublicKey(client); got != v.ClientPublicKey {
			t.Errorf("client's public key %s, want %s", got, v.ClientPublicKey)
		}
		salt, err := base64.StdEncoding.DecodeString(v.Salt)
		if err != nil {
			t.Fatal(err)
		}
		for own, peer := range map[*ecdh.PrivateKey]string{server: v.ClientPublicKey, client: v.ServerPublicKey} {
			public, err := seal.ParsePublicKey(peer)
			if err != nil {
				t.Fatal(err)
			}
			shared, err := seal.SharedSecret(own, public)
			if err != nil || !bytes.Equal(shared, v.SharedSecret) {
				t.Errorf("shared secret %x, %v; want %x", shared, err, v.SharedSecret)
			}
			raw, err := seal.DeriveKey(shared, salt, v.HKDFInfo)
			if err != nil || !bytes.Equal(raw, v.AESKey) {
				t.Errorf("key %x, %v; want %x", raw, err, v.AESKey)
			}
			key, err := seal.NewKey(raw)
			if err != nil {
				t.Fatal(err)
			}
			data := `{"iv":"` + b64(v.IV) + `","ct":"` + b64(v.CT) + `"}`
			if got := key.AppendWith(nil, v.IV, []byte(v.Plaintext), v.aad()); string(got) != data {
				t.Errorf("sealed %s, want %s", got, data)
			}
			got, err := key.Open(nil, json.RawMessage(data), v.aad())
			if err != nil || string(got) != v.Plaintext {
				t.Errorf("opened %q, %v; want %q", got, err, v.Plaintext)
			}
			if _, err := key.Open(nil, json.RawMessage(data), append(v.aad(), 'x')); !errors.Is(err, seal.ErrSealed) {
				t.Errorf("with other additional data: %v", err)
			}
		}
		// Complete does the client's side in one call. An empty info means the default.
		info := v.HKDFInfo
		if info == seal.Info {
			info = ""
			defaults++
		}
		key, err := seal.Complete(client, v.ServerPublicKey, v.Salt, info)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := key.Open([]byte("before "), sealed(v.IV, v.CT), v.aad()); err != nil || string(got) != "before "+v.Plaintext {
			t.Errorf("opened %q, %v", got, err)
		}
	}
}

func sealed(iv, ct []byte) json.RawMessage {
	return json.RawMessage(`{"iv":"` + b64(iv) + `","ct":"` + b64(ct) + `"}`)
}

// pair returns the keys of both sides of an exchange.
func pair(t testing.TB, info string) (server, client *seal.Key) {
	t.Helper()
	own, err := seal.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	a, err := seal.Accept(seal.PublicKey(own), info)
	if err != nil {
		t.Fatal(err)
	}
	client, err = seal.Complete(own, a.PublicKey, a.Salt, info)
	if err != nil {
		t.Fatal(err)
	}
	return a.Key, client
}

func TestBothDirections(t *testing.T) {
	server, client := pair(t, "")
	other, _ := pair(t, "")
	rapid.Check(t, func(t *rapid.T) {
		message := []byte(rapid.String().Draw(t, "message"))
		aad := rapid.SliceOf(rapid.Byte()).Draw(t, "aad")
		before := []byte(rapid.String().Draw(t, "before"))
		for from, to := range map[*seal.Key]*seal.Key{server: client, client: server} {
			frame := from.AppendFrame(bytes.Clone(before), message, aad)
			var outer struct {
				Event string
				Data  json.RawMessage
			}
			if err := json.Unmarshal(frame[len(before):], &outer); err != nil || outer.Event != "encrypted" || !bytes.HasPrefix(frame, before) {
				t.Fatalf("%s: %v", frame, err)
			}
			got, err := to.Open(bytes.Clone(before), outer.Data, aad)
			if err != nil || string(got) != string(before)+string(message) {
				t.Fatalf("opened %q, %v", got, err)
			}
			if _, err := other.Open(nil, outer.Data, aad); !errors.Is(err, seal.ErrSealed) {
				t.Fatalf("with another key: %v", err)
			}
		}
	})
}

func TestAgreementsDiffer(t *testing.T) {
	own, _ := seal.NewPrivateKey()
	one, err := seal.Accept(seal.PublicKey(own), "")
	two, err2 := seal.Accept(seal.PublicKey(own), "")
	if err != nil || err2 != nil || one.PublicKey == two.PublicKey || one.Salt == two.Salt {
		t.Errorf("%+v, %+v, %v, %v", one, two, err, err2)
	}
	if bytes.Equal(one.Key.AppendData(nil, nil, nil), one.Key.AppendData(nil, nil, nil)) {
		t.Error("two messages have the same iv")
	}
	info, err := seal.Complete(own, one.PublicKey, one.Salt, "another context")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := info.Open(nil, one.Key.AppendData(nil, []byte("x"), nil), nil); err == nil {
		t.Error("keys do not depend on the info")
	}
}

// badPublicKeys returns malformed variants of a valid public key.
func badPublicKeys(t testing.TB) map[string]string {
	own, err := seal.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	good := own.PublicKey().Bytes()
	change := func(f func(b []byte) []byte) string { return b64(f(bytes.Clone(good))) }
	text := b64(good)
	p, _ := new(big.Int).SetString("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff", 16)
	// The last character of the base64 of 65 bytes has 2 unused bits.
	loose := text[:86] + string(rune(text[86])+1) + "="
	if text[86] == '9' || text[86] == 'Z' || text[86] == 'z' || text[86] == '+' || text[86] == '/' {
		loose = text[:86] + "B="
	}
	return map[string]string{
		"empty":                  "",
		"not on the curve":       change(func(b []byte) []byte { b[64] ^= 1; return b }),
		"zeros":                  b64(make([]byte, 65)),
		"the identity":           b64([]byte{0}),
		"the origin":             change(func(b []byte) []byte { clear(b[1:]); return b }),
		"a coordinate over p":    change(func(b []byte) []byte { copy(b[1:], p.Bytes()); return b }),
		"compressed":             change(func(b []byte) []byte { b[0] = 2 + b[64]&1; return b[:33] }),
		"compressed, padded":     change(func(b []byte) []byte { b[0] = 2 + b[64]&1; clear(b[33:]); return b }),
		"hybrid":                 change(func(b []byte) []byte { b[0] = 6 + b[64]&1; return b }),
		"too short":              change(func(b []byte) []byte { return b[:64] }),
		"too long":               change(func(b []byte) []byte { return append(b, 0) }),
		"another curve":          b64(make([]byte, 97)),
		"not base64":             strings.Repeat("!", 88),
		"without padding":        strings.TrimRight(text, "="),
		"base64url":              strings.NewReplacer("+", "-", "/", "_").Replace(text) + "-",
		"with a line break":      text[:40] + "\n" + text[40:],
		"a line break inside 88": text[:40] + "\n" + text[41:],
		"spaces around":          " " + text,
		"loose bits":             loose,
		"hex":                    "04" + strings.Repeat("ab", 64),
		"a certificate":          "-----BEGIN PUBLIC KEY-----",
		"very long":              strings.Repeat("A", 1<<20),
	}
}

func TestBadPublicKeys(t *testing.T) {
	own, _ := seal.NewPrivateKey()
	salt := b64(make([]byte, 32))
	for name, key := range badPublicKeys(t) {
		_, err := seal.ParsePublicKey(key)
		_, acceptErr := seal.Accept(key, "")
		_, completeErr := seal.Complete(own, key, salt, "")
		for _, err := range []error{err, acceptErr, completeErr} {
			switch {
			case !errors.Is(err, seal.ErrPublicKey):
				t.Errorf("%s: %v", name, err)
			case len(key) > 4 && strings.Contains(err.Error(), key[:4]):
				t.Errorf("%s: the error contains the key: %v", name, err)
			}
		}
	}
}

func TestBadSalts(t *testing.T) {
	own, _ := seal.NewPrivateKey()
	server, _ := seal.NewPrivateKey()
	for _, salt := range []string{"", "AA==", b64(make([]byte, 31)), b64(make([]byte, 33)), strings.Repeat("!", 44), b64(make([]byte, 32))[:42] + "B=", b64(make([]byte, 32)) + "\n"} {
		if _, err := seal.Complete(own, seal.PublicKey(server), salt, ""); !errors.Is(err, seal.ErrSalt) {
			t.Errorf("%q: %v", salt, err)
		}
	}
}

func TestBadKeys(t *testing.T) {
	for _, n := range []int{0, 16, 24, 31, 33} {
		if _, err := seal.NewKey(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes", n)
		}
	}
}

// TestBadData opens malformed data and data that was altered in transit.
func TestBadData(t *testing.T) {
	server, client := pair(t, "")
	iv, ct := parts(t, server.AppendData(nil, []byte(`{"event":"x"}`), nil))
	flip := func(b []byte, i int) []byte {
		c := bytes.Clone(b)
		c[i] ^= 0x80
		return c
	}
	good := string(sealed(iv, ct))
	tests := map[string]string{
		"empty": "", "null": "null", "a string": `"x"`, "an array": "[]", "a number": "5", "not JSON": "{", "an empty object": "{}",
		"no iv": `{"ct":"` + b64(ct) + `"}`, "no ct": `{"iv":"` + b64(iv) + `"}`,
		"null values":    `{"iv":null,"ct":null}`,
		"numbers":        `{"iv":1,"ct":2}`,
		"other case":     `{"IV":"` + b64(iv) + `","CT":"` + b64(ct) + `"}`,
		"empty strings":  `{"iv":"","ct":""}`,
		"iv too short":   string(sealed(iv[:11], ct)),
		"iv too long":    string(sealed(append(bytes.Clone(iv), 0), ct)),
		"ct without tag": string(sealed(iv, ct[:len(ct)-16])),
		"only a tag":     string(sealed(iv, ct[len(ct)-16:])),
		"truncated":      string(sealed(iv, ct[:len(ct)-1])),
		"longer":         string(sealed(iv, append(bytes.Clone(ct), 0))),
		"iv altered":     string(sealed(flip(iv, 0), ct)),
		"text altered":   string(sealed(iv, flip(ct, 0))),
		"tag altered":    string(sealed(iv, flip(ct, len(ct)-1))),
		"not base64":     `{"iv":"` + b64(iv) + `","ct":"????"}`,
		"no padding":     strings.ReplaceAll(good, "=", ""),
		"escaped break":  strings.Replace(good, `"ct":"`, `"ct":"\n`, 1),
		"a real break":   strings.Replace(good, `"ct":"`, "\"ct\":\"\n", 1),
		"a quote":        strings.Replace(good, `"ct":"`, `"ct":"",`, 1),
		"more after":     good + "}",
	}
	if _, err := new(seal.Key).Open(nil, json.RawMessage(good), nil); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("the zero key: %v", err)
	}
	for name, data := range tests {
		if name == "no padding" && data == good {
			continue
		}
		dst := []byte("before")
		if got, err := client.Open(dst, json.RawMessage(data), nil); !errors.Is(err, seal.ErrSealed) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if string(dst) != "before" {
			t.Errorf("%s: dst was changed to %q", name, dst)
		}
	}
	for name, data := range map[string]string{
		"unchanged":        good,
		"in another order": `{"ct":"` + b64(ct) + `","iv":"` + b64(iv) + `"}`,
		"more members":     `{"v":1,"iv":"` + b64(iv) + `","ct":"` + b64(ct) + `"}`,
		"with space":       "{ \"iv\" : \"" + b64(iv) + "\",\n\"ct\":\"" + b64(ct) + "\" }",
		"iv escaped":       `{"iv":"` + escape(b64(iv), 0) + `","ct":"` + b64(ct) + `"}`,
		"iv escaped later": `{"iv":"` + escape(b64(iv), 5) + `","ct":"` + b64(ct) + `"}`,
		"ct escaped":       `{"iv":"` + b64(iv) + `","ct":"` + escape(b64(ct), 0) + `"}`,
		"ct escaped later": `{"iv":"` + b64(iv) + `","ct":"` + escape(b64(ct), 5) + `"}`,
		"iv twice":         `{"iv":"","iv":"` + b64(iv) + `","ct":"` + b64(ct) + `"}`,
		"other iv before":  `{"iv":"AAAA","iv":"` + b64(iv) + `","ct":"` + b64(ct) + `"}`,
		"ct twice":         `{"iv":"` + b64(iv) + `","ct":"","ct":"` + b64(ct) + `"}`,
		"more after":       `{"iv":"` + b64(iv) + `","ct":"` + b64(ct) + `","v":"1"}`,
	} {
		if got, err := client.Open(nil, json.RawMessage(data), nil); err != nil || string(got) != `{"event":"x"}` {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// escape replaces one character of a string with a JSON escape.
func escape(text string, at int) string {
	return text[:at] + `\u00` + hex(text[at]) + text[at+1:]
}

func hex(b byte) string { const d = "0123456789abcdef"; return string([]byte{d[b>>4], d[b&15]}) }

func parts(t testing.TB, data []byte) (iv, ct []byte) {
	t.Helper()
	var d struct{ IV, CT []byte }
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	return d.IV, d.CT
}

func FuzzParsePublicKey(f *testing.F) {
	for _, key := range badPublicKeys(f) {
		if len(key) < 1000 {
			f.Add(key)
		}
	}
	for _, v := range vectors(f) {
		f.Add(v.ClientPublicKey)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := seal.ParsePublicKey(text)
		if err != nil {
			return
		}
		if b64(k.Bytes()) != text {
			t.Errorf("%q is parsed as the key %q", text, b64(k.Bytes()))
		}
		if _, err := seal.Accept(text, ""); err != nil {
			t.Error(err)
		}
	})
}

func FuzzComplete(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.ServerPublicKey, v.Salt)
	}
	own, _ := seal.NewPrivateKey()
	f.Fuzz(func(t *testing.T, key, salt string) {
		k, err := seal.Complete(own, key, salt, "")
		if (k == nil) == (err == nil) {
			t.Errorf("%v, %v", k, err)
		}
	})
}

// If data can be opened, its canonical form opens to the same message.
func FuzzOpen(f *testing.F) {
	key, err := seal.NewKey(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(key.AppendData(nil, []byte(`{"event":"x"}`), nil)))
	f.Add(`{"ct":"","iv":"AAAAAAAAAAAAAAAA"}`)
	f.Add(`{"iv":"AAAAAAAAAAAAAAAA","ct":"\u0041"}`)
	f.Fuzz(func(t *testing.T, data string) {
		got, err := key.Open(nil, json.RawMessage(data), nil)
		if err != nil {
			return
		}
		iv, ct := parts(t, []byte(data))
		if again, err := key.Open(nil, sealed(iv, ct), nil); err != nil || !bytes.Equal(again, got) {
			t.Errorf("%q and then %q, %v", got, again, err)
		}
	})
}
