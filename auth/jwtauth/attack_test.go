package jwtauth

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// verifierFor returns a Verifier at testNow.
func verifierFor(t testing.TB, c Config) *Verifier {
	t.Helper()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	v, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	v.now = func() time.Time { return testNow }
	return v
}

// Every algorithm verifies its own tokens, and no others: neither those of another
// algorithm that suits the key, nor any if the key is bound to one.
func TestEveryAlgorithm(t *testing.T) {
	for _, alg := range allAlgorithms() {
		s := newSigner(t, "k", alg)
		k := s.public()
		k.Algorithms = []string{alg}
		v := verifierFor(t, Config{Keys: []Key{k}})
		for _, used := range allAlgorithms() {
			a, _ := algorithmNamed(alg)
			u, _ := algorithmNamed(used)
			if a.kind != u.kind {
				continue
			}
			_, err := v.Verify(t.Context(), s.with(used).sign(t, goodClaims))
			reason := ""
			if alg != used {
				reason = "key (kid) is not for its algorithm"
			}
			checkVerdict(t, "key for "+alg+", token of "+used, err, reason)
		}
	}
}

// Without Algorithms a key is for those that suit it.
func TestDefaultAlgorithms(t *testing.T) {
	for alg, want := range map[string]string{
		"HS256": "HS256",
		"RS256": "RS256, RS384, RS512, PS256, PS384, PS512",
		"ES256": "ES256", "ES384": "ES384", "ES512": "ES512",
		"EdDSA": "EdDSA, Ed25519",
	} {
		k := newSigner(t, "k", alg).public()
		k.Algorithms = nil
		bound, err := k.bind(0)
		if err != nil || algorithmNames(bound.algorithms) != want {
			t.Errorf("%s: %v, %v", alg, bound, err)
		}
	}
}

// The classic: the attacker knows the public key, signs with HS256 and the text of the key
// as the secret, and hopes that the server chooses the algorithm by the token.
func TestPublicKeyAsSecret(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"} {
		s := newSigner(t, "k", alg)
		v := verifierFor(t, Config{Keys: []Key{s.public()}})
		if _, err := v.Verify(t.Context(), s.sign(t, goodClaims)); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		texts := []string{s.pem(t), strings.TrimSpace(s.pem(t)), s.jwk(), jwks(s.jwk())}
		for _, secret := range texts {
			for _, hmac := range []string{"HS256", "HS384", "HS512"} {
				for _, id := range []string{"k", "", "other"} {
					forger := &signer{id: id, alg: hmac, secret: []byte(secret)}
					_, err := v.Verify(t.Context(), forger.sign(t, goodClaims))
					if err == nil {
						t.Errorf("%s: a token signed with %s and the public key is accepted", alg, hmac)
					}
				}
			}
			if _, err := New(Config{Secret: []byte(secret)}); err == nil {
				t.Errorf("%.40q is accepted as a secret", secret)
			}
		}
	}
}

// The header of a token does not choose the key.
func TestKeysInTheHeader(t *testing.T) {
	good, forger := newSigner(t, "k", "ES256"), newSigner(t, "k", "ES256")
	v := verifierFor(t, Config{Keys: []Key{good.public()}})
	for _, parameter := range []string{"jwk", "x5c", "jku", "x5u", "x5t"} {
		_, err := v.Verify(t.Context(), forger.sign(t, goodClaims, parameter, forger.jwk()))
		checkVerdict(t, parameter, err, "signature is wrong")
	}
}

func TestForgedAlgorithms(t *testing.T) {
	s := newSigner(t, "", "ES256")
	v := verifierFor(t, Config{Secret: []byte(testKey), Keys: []Key{s.public()}})
	good := s.sign(t, goodClaims)
	if _, err := v.Verify(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(good, ".")
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "", "es256", "ES256 ", "ES256K", "RSA1_5", "HS1", "A128KW", "dir", "null"} {
		header, err := json.Marshal(map[string]string{"alg": alg})
		if err != nil {
			t.Fatal(err)
		}
		forged := base64.RawURLEncoding.EncodeToString(header) + "." + rest
		for _, token := range []string{forged, forged[:strings.LastIndexByte(forged, '.')+1]} {
			_, err := v.Verify(t.Context(), token)
			checkVerdict(t, alg, err, "algorithm (alg) is not supported")
		}
	}
	// The signature of one algorithm as that of another.
	for _, alg := range allAlgorithms() {
		if alg == "ES256" {
			continue
		}
		header, _ := json.Marshal(map[string]string{"alg": alg})
		if _, err := v.Verify(t.Context(), base64.RawURLEncoding.EncodeToString(header)+"."+rest); err == nil {
			t.Errorf("%s: accepted", alg)
		}
	}
}

func TestForgedSignatures(t *testing.T) {
	for _, alg := range allAlgorithms() {
		s := newSigner(t, "k", alg)
		v := verifierFor(t, Config{Keys: []Key{s.public()}})
		good := s.sign(t, goodClaims)
		dot := strings.LastIndexByte(good, '.')
		signature, err := base64.RawURLEncoding.DecodeString(good[dot+1:])
		if err != nil {
			t.Fatal(err)
		}
		flipped := append([]byte(nil), signature...)
		flipped[len(flipped)/2] ^= 1
		for name, forged := range map[string][]byte{
			"empty": {}, "zeros": make([]byte, len(signature)), "flipped": flipped,
			"short": signature[:len(signature)-1], "long": append(append([]byte(nil), signature...), 0),
			"twice": append(append([]byte(nil), signature...), signature...),
			"huge":  make([]byte, 4000),
		} {
			_, err := v.Verify(t.Context(), good[:dot+1]+base64.RawURLEncoding.EncodeToString(forged))
			checkVerdict(t, alg+" "+name, err, "signature is wrong")
		}
		other := s.sign(t, strings.Replace(goodClaims, "ann", "eve", 1))
		_, err = v.Verify(t.Context(), other[:strings.LastIndexByte(other, '.')]+good[dot:])
		checkVerdict(t, alg+" of another token", err, "signature is wrong")
	}
}

// What is refused for one key is refused for each.
func TestRefusedForEveryKey(t *testing.T) {
	signers := []*signer{newSigner(t, "a", "HS256"), newSigner(t, "b", "RS256"), newSigner(t, "c", "ES256"), newSigner(t, "d", "EdDSA")}
	c := Config{Issuers: []string{"https://issuer.example/"}, Audiences: []string{"chat", "chat-2"}}
	for _, s := range signers {
		c.Keys = append(c.Keys, s.public())
	}
	v := verifierFor(t, c)
	const names = `"iss":"https://issuer.example/","aud":"chat"`
	for name, test := range map[string]struct{ claims, reason string }{
		"good":              {`{"sub":"ann","exp":1800000060,` + names + `}`, ""},
		"expired":           {`{"sub":"ann","exp":1800000000,` + names + `}`, "has expired"},
		"future nbf":        {`{"sub":"ann","exp":1800000060,"nbf":1800000011,` + names + `}`, "not valid yet"},
		"future iat":        {`{"sub":"ann","exp":1800000060,"iat":1800000011,` + names + `}`, "issued in the future"},
		"no exp":            {`{"sub":"ann",` + names + `}`, "has no exp"},
		"sub twice":         {`{"sub":"ann","sub":"eve","exp":1800000060,` + names + `}`, "duplicate names"},
		"iss twice":         {`{"iss":"https://eve.example/","sub":"ann","exp":1800000060,` + names + `}`, "duplicate names"},
		"aud twice":         {`{"aud":"other","sub":"ann","exp":1800000060,` + names + `}`, "duplicate names"},
		"no iss":            {`{"sub":"ann","exp":1800000060,"aud":"chat"}`, "issuer (iss)"},
		"another iss":       {`{"sub":"ann","exp":1800000060,"iss":"https://eve.example/","aud":"chat"}`, "issuer (iss)"},
		"iss without slash": {`{"sub":"ann","exp":1800000060,"iss":"https://issuer.example","aud":"chat"}`, "issuer (iss)"},
		"a list as iss":     {`{"sub":"ann","exp":1800000060,"iss":["https://issuer.example/"],"aud":"chat"}`, "issuer (iss)"},
		"no aud":            {`{"sub":"ann","exp":1800000060,"iss":"https://issuer.example/"}`, "audience (aud)"},
		"another aud":       {`{"sub":"ann","exp":1800000060,"iss":"https://issuer.example/","aud":"mail"}`, "audience (aud)"},
		"Chat":              {`{"sub":"ann","exp":1800000060,"iss":"https://issuer.example/","aud":"Chat"}`, "audience (aud)"},
		"one of its auds":   {`{"sub":"ann","exp":1800000060,"iss":"https://issuer.example/","aud":["mail","chat-2"]}`, ""},
		"no auds":           {`{"sub":"ann","exp":1800000060,"iss":"https://issuer.example/","aud":[]}`, "audience (aud)"},
		"auds with a number": {
			`{"sub":"ann","exp":1800000060,"iss":"https://issuer.example/","aud":["chat",1]}`, "audience (aud)",
		},
		"oversized": {`{"sub":"ann","exp":1800000060,` + names + `,"x":"` + strings.Repeat("x", 8<<10) + `"}`, "too large"},
	} {
		for _, s := range signers {
			_, err := v.Verify(t.Context(), s.sign(t, test.claims))
			checkVerdict(t, name+", "+s.alg, err, test.reason)
		}
	}
}

// A thousand keys without an ID would make every forged token expensive.
func TestTries(t *testing.T) {
	var c Config
	var last *signer
	for range maxTries {
		last = newSigner(t, "", "ES256")
		c.Keys = append(c.Keys, last.public())
	}
	v := verifierFor(t, c)
	if _, err := v.Verify(t.Context(), last.sign(t, goodClaims)); err != nil {
		t.Errorf("the last of %d keys: %v", maxTries, err)
	}
	forged := newSigner(t, "", "ES256").sign(t, goodClaims)
	_, err := v.Verify(t.Context(), forged)
	checkVerdict(t, "forged", err, "signature is wrong")
	c.Keys = append(c.Keys, newSigner(t, "named", "ES256").public())
	v = verifierFor(t, c)
	_, err = v.Verify(t.Context(), forged)
	checkVerdict(t, "forged, with a key more", err, "too many to try")
	named := newSigner(t, "named", "ES256")
	c.Keys[maxTries] = named.public()
	v = verifierFor(t, c)
	if _, err = v.Verify(t.Context(), named.sign(t, goodClaims)); err != nil {
		t.Errorf("a named key: %v", err)
	}
}

func TestKeyIDs(t *testing.T) {
	one, two := newSigner(t, "1", "ES256"), newSigner(t, "2", "ES256")
	v := verifierFor(t, Config{Keys: []Key{one.public(), two.public()}})
	same := *two
	same.id = "1"
	unknown := *two
	unknown.id = "3"
	none := *two
	none.id = ""
	for name, test := range map[string]struct{ token, reason string }{
		"first": {one.sign(t, goodClaims), ""}, "second": {two.sign(t, goodClaims), ""},
		"the other's ID": {same.sign(t, goodClaims), "signature is wrong"},
		"an unknown ID":  {unknown.sign(t, goodClaims), "key (kid) is unknown"},
		"no ID":          {none.sign(t, goodClaims), ""},
		"another alg":    {newSigner(t, "1", "RS256").sign(t, goodClaims), "key (kid) is not for its algorithm"},
		"HS256":          {newSigner(t, "1", "HS256").sign(t, goodClaims), "key (kid) is not for its algorithm"},
		"no key":         {newSigner(t, "", "RS256").sign(t, goodClaims), "there is no key for the token's algorithm"},
	} {
		_, err := v.Verify(t.Context(), test.token)
		checkVerdict(t, name, err, test.reason)
	}
	text := signed(`{"alg":"HS256","kid":1}`, goodClaims)
	_, err := verifierFor(t, Config{Secret: []byte(testKey)}).Verify(t.Context(), text)
	checkVerdict(t, "a number as kid", err, "key ID (kid) is not a string")
}

func TestIDs(t *testing.T) {
	for value, want := range map[string]string{
		`"ann"`: "ann", `"42"`: "42", `42`: "42", `0`: "0", `-1`: "-1", `18446744073709551615`: "18446744073709551615",
		`-9223372036854775808`: "-9223372036854775808",
		`-0`:                   "", `1.0`: "", `1e3`: "", `1E3`: "", `0.5`: "", `184467440737095516150`: "", `true`: "", `null`: "", `[]`: "", `{}`: "", `""`: "",
		strings.Repeat("9", 1000): "",
	} {
		v := testVerifier(t)
		c, err := v.Verify(t.Context(), signed(plainHeader, `{"sub":`+value+`,"exp":1800000060}`))
		if (err == nil) != (want != "") || err == nil && c.Subject != want {
			t.Errorf("sub %.40s: %+v, %v", value, c, err)
		}
		c, err = v.Verify(t.Context(), signed(plainHeader, `{"jti":`+value+`,"sub":"ann","exp":1800000060}`))
		valid := want != "" || value == `null` || value == `""`
		if (err == nil) != valid || err == nil && c.TokenID != want {
			t.Errorf("jti %.40s: %+v, %v", value, c, err)
		}
	}
}

func TestClaimNames(t *testing.T) {
	const claims = `{"sub":"ann","exp":1800000060,"rooms":["a"],"info":{"name":"Ann"},"https://x/rooms":["b"],"https://x/info":"B","none":null}`
	for _, test := range []struct{ rooms, info, wantRoom, wantInfo string }{
		{"", "", "a", `{"name":"Ann"}`},
		{"https://x/rooms", "https://x/info", "b", `"B"`},
		{"Rooms", "Info", "", ""},
		{"none", "none", "", ""},
	} {
		v := verifierFor(t, Config{Secret: []byte(testKey), RoomsClaim: test.rooms, InfoClaim: test.info})
		c, err := v.Verify(t.Context(), signed(plainHeader, claims))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Join(c.Rooms, ",") != test.wantRoom || string(c.Info) != test.wantInfo || (c.Info == nil) != (test.wantInfo == "") {
			t.Errorf("%+v: got %+v", test, c)
		}
	}
}

func TestUserClaim(t *testing.T) {
	v := verifierFor(t, Config{Secret: []byte(testKey), UserClaim: "uid"})
	for claims, reason := range map[string]string{
		`{"uid":7,"sub":"ann","exp":1800000060}`:     "",
		`{"uid":"7","exp":1800000060}`:               "",
		`{"sub":"7","exp":1800000060}`:               "the token's uid is missing",
		`{"UID":"7","sub":"7","exp":1800000060}`:     "the token's uid is missing",
		`{"uid":"","sub":"7","exp":1800000060}`:      "the token's uid is missing",
		`{"uid":"7","uid":"8","exp":1800000060}`:     "duplicate names",
		`{"uid":["7"],"sub":"7","exp":1800000060}`:   "the token's uid is missing",
		`{"uid":7.5,"sub":"7","exp":1800000060}`:     "the token's uid is missing",
		`{"uid":{"a":"7"},"sub":"7","exp":18e8}`:     "the token's uid is missing",
		`{"uid":"7","sub":{"a":1},"exp":1800000060}`: "",
	} {
		c, err := v.Verify(t.Context(), signed(plainHeader, claims))
		checkVerdict(t, claims, err, reason)
		if err == nil && c.Subject != "7" {
			t.Errorf("%s: logs in as %q", claims, c.Subject)
		}
	}
}

func TestLeeway(t *testing.T) {
	for _, test := range []struct {
		leeway, expiry time.Duration
		claims, reason string
	}{
		{0, 0, `"exp":1800000060,"nbf":1800000010`, ""},
		{0, 0, `"exp":1800000060,"nbf":1800000011`, "not valid yet"},
		{-1, 0, `"exp":1800000060,"nbf":1800000000,"iat":1800000000`, ""},
		{-1, 0, `"exp":1800000060,"nbf":1800000001`, "not valid yet"},
		{-1, 0, `"exp":1800000060,"iat":1800000001`, "issued in the future"},
		{time.Minute, 0, `"exp":1800000060,"iat":1800000060`, ""},
		{time.Minute, 0, `"exp":1800000000`, "has expired"}, // not for exp
		{0, 5 * time.Second, `"exp":1799999996`, ""},
		{0, 5 * time.Second, `"exp":1799999995`, "has expired"},
	} {
		v := verifierFor(t, Config{Secret: []byte(testKey), Leeway: test.leeway, ExpiryLeeway: test.expiry})
		_, err := v.Verify(t.Context(), signed(plainHeader, `{"sub":"ann",`+test.claims+`}`))
		checkVerdict(t, test.claims, err, test.reason)
	}
}

// A signature with a public key waits while others are verified. One with a secret takes
// little time and does not wait.
func TestSignaturesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hs, es := newSigner(t, "1", "HS256"), newSigner(t, "2", "ES256")
		v := verifierFor(t, Config{Keys: []Key{hs.public(), es.public()}})
		for range cap(v.verifying) {
			v.verifying <- struct{}{}
		}
		if !accepts(t, v, hs) {
			t.Error("a token with a secret is refused")
		}
		verified := make(chan bool, 1)
		token := es.sign(t, goodClaims)
		go func() {
			_, err := v.Verify(t.Context(), token)
			verified <- err == nil
		}()
		synctest.Wait()
		if len(verified) > 0 {
			t.Error("more signatures than allowed are verified at the same time")
		}
		<-v.verifying
		if !<-verified {
			t.Error("a valid token is refused")
		}
	})
}
