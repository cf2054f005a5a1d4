package jwtauth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/ignis-go/ignis"
)

// signed returns a token with these texts as header and claims, and a valid signature.
func signed(header, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(header)) + "." + encode([]byte(claims))
	return text + "." + encode(mac(text))
}

func mac(text string) []byte {
	h := hmac.New(sha256.New, []byte(testKey))
	h.Write([]byte(text))
	return h.Sum(nil)
}

const plainHeader = `{"alg":"HS256","typ":"JWT"}`

// testNow is the time at which these tests verify tokens.
var testNow = time.Unix(1_800_000_000, 0)

func testVerifier(t testing.TB) *Verifier {
	t.Helper()
	v, err := New(Config{Secret: []byte(testKey)})
	if err != nil {
		t.Fatal(err)
	}
	v.now = func() time.Time { return testNow }
	return v
}

func TestClaims(t *testing.T) {
	const rest = `"exp":1800000060`
	for name, test := range map[string]struct {
		claims string
		reason string // "": the token is valid
	}{
		"plain":                        {`{"sub":"ann",` + rest + `}`, ""},
		"blanks":                       {" {\t\"sub\" :\n\"ann\" , " + rest + "\r} ", ""},
		"escaped":                      {`{"s\u0075b":"\u0061nn",` + rest + `}`, ""},
		"others are not read":          {`{"sub":"ann",` + rest + `,"aud":5,"iss":[],"azp":{},"x":{"sub":"eve","sub":"bob"}}`, ""},
		"SUB after":                    {`{"sub":"ann",` + rest + `,"SUB":"admin"}`, ""},
		"SUB before":                   {`{"SUB":"admin","Sub":"admin","sub":"ann",` + rest + `}`, ""},
		"long s":                       {`{"sub":"ann","ſub":"admin",` + rest + `}`, ""},
		"null for optional claims":     {`{"sub":"ann",` + rest + `,"nbf":null,"iat":null,"rooms":null}`, ""},
		"SUB alone":                    {`{"SUB":"ann",` + rest + `}`, "sub is missing, empty, or not a string or integer"},
		"sub twice":                    {`{"sub":"ann","sub":"admin",` + rest + `}`, "claims must not contain duplicate names"},
		"sub twice and the same":       {`{"sub":"ann","sub":"ann",` + rest + `}`, "claims must not contain duplicate names"},
		"sub twice, once escaped":      {`{"sub":"ann","s\u0075b":"admin",` + rest + `}`, "claims must not contain duplicate names"},
		"another twice":                {`{"sub":"ann","x":1,"x":1,` + rest + `}`, "claims must not contain duplicate names"},
		"exp twice":                    {`{"sub":"ann","exp":1,` + rest + `}`, "claims must not contain duplicate names"},
		"sub is an array":              {`{"sub":["ann"],` + rest + `}`, "sub is missing, empty, or not a string or integer"},
		"sub is null":                  {`{"sub":null,` + rest + `}`, "sub is missing, empty, or not a string or integer"},
		"sub is empty":                 {`{"sub":"",` + rest + `}`, "sub is missing, empty, or not a string or integer"},
		"sub is an unpaired surrogate": {`{"sub":"\ud800",` + rest + `}`, "sub is missing, empty, or not a string or integer"},
		"sub ends in a low surrogate":  {`{"sub":"a\udc00",` + rest + `}`, "sub is missing, empty, or not a string or integer"},
		"no exp":                       {`{"sub":"ann"}`, "has no exp"},
		"Exp alone":                    {`{"sub":"ann","Exp":1800000060}`, "has no exp"},
		"Exp after an expired one":     {`{"sub":"ann","exp":1799999999,"Exp":1800000060}`, "has expired"},
		"EXP before an expired one":    {`{"EXP":1800000060,"sub":"ann","exp":1799999999}`, "has expired"},
		"Kelvin sign":                  {"{\"sub\":\"ann\",\"k\":1,\"K\":2,\"\u212a\":3," + rest + `}`, ""},
		"exp is null":                  {`{"sub":"ann","exp":null}`, "has no exp"},
		"exp is a string":              {`{"sub":"ann","exp":"1800000060"}`, "exp is not a number"},
		"exp is true":                  {`{"sub":"ann","exp":true}`, "exp is not a number"},
		"exp is an object":             {`{"sub":"ann","exp":{}}`, "exp is not a number"},
		"exp is huge":                  {`{"sub":"ann","exp":1e300}`, "exp is not a number"},
		"exp overflows a float64":      {`{"sub":"ann","exp":1e400}`, "exp is not a number"},
		"exp is 2^63":                  {`{"sub":"ann","exp":9223372036854775808}`, "exp is not a number"},
		"exp has a thousand digits":    {`{"sub":"ann","exp":` + strings.Repeat("9", 1000) + `}`, "exp is not a number"},
		"exp is negative":              {`{"sub":"ann","exp":-1}`, "exp is not a number"},
		"exp in milliseconds":          {`{"sub":"ann","exp":1800000060000}`, "exp is not a number"},
		"exp in the year 9999":         {`{"sub":"ann","exp":253402300799}`, ""},
		"exp is zero":                  {`{"sub":"ann","exp":0}`, "has expired"},
		"exp with a fraction":          {`{"sub":"ann","exp":1800000000.5}`, ""},
		"exp with a fraction, expired": {`{"sub":"ann","exp":1799999999.999}`, "has expired"},
		"exp with an exponent":         {`{"sub":"ann","exp":1.80000006e9}`, ""},
		"exp now":                      {`{"sub":"ann","exp":1800000000}`, "has expired"},
		"nbf in the skew":              {`{"sub":"ann","nbf":1800000010,` + rest + `}`, ""},
		"nbf later":                    {`{"sub":"ann","nbf":1800000011,` + rest + `}`, "is not valid yet"},
		"nbf is a string":              {`{"sub":"ann","nbf":"0",` + rest + `}`, "nbf is not a number"},
		"NBF later":                    {`{"sub":"ann","NBF":1900000000,` + rest + `}`, ""},
		"iat in the skew":              {`{"sub":"ann","iat":1800000010,` + rest + `}`, ""},
		"iat later":                    {`{"sub":"ann","iat":1800000010.5,` + rest + `}`, "issued in the future"},
		"iat is an array":              {`{"sub":"ann","iat":[1],` + rest + `}`, "iat is not a number"},
		"rooms":                        {`{"sub":"ann","rooms":["a","b*"],` + rest + `}`, ""},
		"rooms is a string":            {`{"sub":"ann","rooms":"a",` + rest + `}`, "rooms claim is not a list"},
		"rooms has null":               {`{"sub":"ann","rooms":["a",null],` + rest + `}`, "rooms claim is not a list"},
		"rooms has a lone surrogate":   {`{"sub":"ann","rooms":["\udfff"],` + rest + `}`, "rooms claim is not a list"},
		"not an object":                {`["sub"]`, "claims must be a JSON object"},
		"not JSON":                     {`sub`, "claims must be a JSON object"},
		"empty":                        {``, "claims must be a JSON object"},
		"more after":                   {`{"sub":"ann",` + rest + `}{}`, "claims must be a JSON object"},
		"not UTF-8":                    {"{\"sub\":\"ann\xff\"," + rest + `}`, "claims must be a JSON object"},
		"nested too deep":              {`{"sub":"ann",` + rest + `,"x":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `}`, "claims must be a JSON object"},
		"a name that differs in a NUL": {`{"sub":"ann","sub\u0000":"admin",` + rest + `}`, ""},
	} {
		c, err := testVerifier(t).Verify(t.Context(), signed(plainHeader, test.claims))
		checkVerdict(t, name, err, test.reason)
		if err == nil && c.Subject != "ann" {
			t.Errorf("%s: logs in as %q", name, c.Subject)
		}
	}
}

// checkVerdict checks that a token was refused for a reason, or accepted if reason is empty.
func checkVerdict(t *testing.T, name string, err error, reason string) {
	t.Helper()
	var refusal *tokenError
	if err != nil && !errors.As(err, &refusal) {
		t.Errorf("%s: %v is not a *tokenError", name, err)
	}
	if err != nil && !errors.Is(err, ignis.ErrUnauthenticated) {
		t.Errorf("%s: %v does not match ErrUnauthenticated", name, err)
	}
	if errors.Is(err, ErrExpired) != (reason == "has expired") {
		t.Errorf("%s: %v matches ErrExpired: %v", name, err, errors.Is(err, ErrExpired))
	}
	if (err == nil) != (reason == "") || err != nil && !strings.Contains(err.Error(), reason) {
		t.Errorf("%s: %v, want %q", name, err, reason)
	}
}

func TestTokenForm(t *testing.T) {
	const claims = `{"sub":"ann","exp":1800000060}`
	good := signed(plainHeader, claims)
	parts := strings.Split(good, ".")
	last := parts[2][len(parts[2])-1]
	resigned := func(text string) string { return text + "." + base64.RawURLEncoding.EncodeToString(mac(text)) }
	for name, test := range map[string]struct{ token, reason string }{
		"good":               {good, ""},
		"other parameters":   {signed(`{"alg":"HS256","typ":"at+jwt","kid":"7","x":{"crit":1}}`, claims), ""},
		"alg escaped":        {signed(`{"alg":"HS\u003256"}`, claims), ""},
		"ALG":                {signed(`{"ALG":"HS256"}`, claims), "algorithm (alg) is not supported"},
		"none and ALG":       {signed(`{"alg":"none","ALG":"HS256"}`, claims), "algorithm (alg) is not supported"},
		"alg twice":          {signed(`{"alg":"none","alg":"HS256"}`, claims), "header must not contain duplicate names"},
		"alg twice, escaped": {signed(`{"alg":"HS256","a\u006cg":"HS256"}`, claims), "header must not contain duplicate names"},
		"alg in lower case":  {signed(`{"alg":"hs256"}`, claims), "algorithm (alg) is not supported"},
		"alg with a long s":  {signed(`{"alg":"Hſ256"}`, claims), "algorithm (alg) is not supported"},
		"alg is a list":      {signed(`{"alg":["HS256"]}`, claims), "algorithm (alg) is not supported"},
		"no alg":             {signed(`{"typ":"JWT"}`, claims), "algorithm (alg) is not supported"},
		"crit":               {signed(`{"alg":"HS256","crit":["x"],"x":1}`, claims), "critical extensions"},
		"crit is empty":      {signed(`{"alg":"HS256","crit":[]}`, claims), "critical extensions"},
		"crit is null":       {signed(`{"alg":"HS256","crit":null}`, claims), "critical extensions"},
		"b64":                {signed(`{"alg":"HS256","b64":false,"crit":["b64"]}`, claims), "critical extensions"},
		"header is a list":   {signed(`["HS256"]`, claims), "header must be a JSON object"},
		"empty":              {"", "no token"},
		"two parts":          {parts[0] + "." + parts[1], "three parts"},
		"four parts":         {good + ".", "three parts"},
		"empty parts":        {"..", "header must be a JSON object"},
		"no signature":       {parts[0] + "." + parts[1] + ".", "signature is wrong"},
		"signature cut":      {good[:len(good)-1], "signature is not base64url"},
		"padded":             {good + "=", "signature is not base64url"},
		"unused bits set": {
			good[:len(good)-1] + string(last+1), "signature is not base64url",
		},
		"a line break in the signature": {good[:len(good)-4] + "\n" + good[len(good)-4:], "signature is not base64url"},
		"a line break at the end":       {good + "\r\n", "signature is not base64url"},
		"a line break in the header":    {resigned(parts[0][:4] + "\n" + parts[0][4:] + "." + parts[1]), "header is not base64url"},
		"a line break in the claims":    {resigned(parts[0] + "." + parts[1] + "\n"), "claims are not base64url"},
		"plain base64":                  {resigned(parts[0] + "." + "ew+/" + parts[1]), "claims are not base64url"},
		"other claims":                  {parts[0] + "." + strings.Split(signed(plainHeader, `{"sub":"eve","exp":1800000060}`), ".")[1] + "." + parts[2], "signature is wrong"},
		"8 KiB":                         {padTo(8<<10, claims), ""},
		"a byte more":                   {padTo(8<<10, claims) + "A", "too large"},
	} {
		_, err := testVerifier(t).Verify(t.Context(), test.token)
		checkVerdict(t, name, err, test.reason)
	}
	small, err := New(Config{Secret: []byte(testKey), MaxToken: len(good) - 1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = small.Verify(t.Context(), good)
	checkVerdict(t, "a byte more than MaxToken", err, "too large")
}

// padTo returns a token of at least size bytes, exactly that if possible.
func padTo(size int, claims string) string {
	for i := range size {
		token := signed(plainHeader+strings.Repeat(" ", i%4), strings.Replace(claims, "{", `{"pad":"`+strings.Repeat("x", size*3/4-300+i)+`",`, 1))
		if len(token) >= size {
			return token
		}
	}
	return ""
}

// The claims of a token with a wrong signature are not parsed, and neither is any part of
// a token that is too large.
func TestRefusedUnread(t *testing.T) {
	wrong := signed(plainHeader, `{"sub":"ann","sub":"bob"`)
	wrong = wrong[:strings.LastIndexByte(wrong, '.')] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	_, err := testVerifier(t).Verify(t.Context(), wrong)
	checkVerdict(t, "wrong signature", err, "signature is wrong")

	huge := strings.Repeat("eyJ9.", 25_000)
	v := testVerifier(t)
	if n := testing.AllocsPerRun(100, func() { _, err = v.Verify(t.Context(), huge) }); n > 1 { // the error
		t.Errorf("%.0f allocations for a token of %d bytes", n, len(huge))
	}
	checkVerdict(t, "124 KB", err, "too large")
}

// An error about the issuer or the audience says what it is and what is accepted.
func TestNamesInErrors(t *testing.T) {
	v := testVerifier(t)
	v.cfg.Issuers, v.cfg.Audiences = []string{"me"}, []string{"chat", "api", "c", "d", "e"}
	long := strings.Repeat("x", 100)
	for claims, want := range map[string]string{
		`"iss":"you\u001b"`:      `the token's issuer (iss) is missing or not accepted (subject "ann"; iss is "you\x1b", accepted: "me")`,
		`"aud":"chat"`:           `the token's issuer (iss) is missing or not accepted (subject "ann"; iss is missing, accepted: "me")`,
		`"iss":["me"]`:           `the token's issuer (iss) is missing or not accepted (subject "ann"; iss is not a name, accepted: "me")`,
		`"iss":"me","aud":"web"`: `the token's audience (aud) is missing or not accepted (subject "ann"; aud is "web", accepted: "chat", "api", "c" and 2 more)`,
		`"iss":"me","aud":[]`:    `the token's audience (aud) is missing or not accepted (subject "ann"; aud is not a name, accepted: "chat", "api", "c" and 2 more)`,
		`"iss":"me"`:             `the token's audience (aud) is missing or not accepted (subject "ann"; aud is missing, accepted: "chat", "api", "c" and 2 more)`,
		`"iss":"me","aud":["` + long + `","b","c ","d ","e "]`: `the token's audience (aud) is missing or not accepted (subject "ann"; aud is "` +
			long[:40] + `", "b", "c " and 2 more, accepted: "chat", "api", "c" and 2 more)`,
	} {
		token := signed(plainHeader, `{"sub":"ann","exp":1800000060,`+claims+`}`)
		_, err := v.Verify(t.Context(), token)
		if err == nil || err.Error() != want {
			t.Errorf("%.40s: %v, want %s", claims, err, want)
			continue
		}
		var e *tokenError
		if !errors.As(err, &e) || e.LogCause()+" (" != want[:strings.Index(want, " (subject")+2] {
			t.Errorf("%.40s has the cause %q", claims, e.LogCause())
		}
		if _, err := v.Verify(t.Context(), token[:len(token)-43]+strings.Repeat("A", 43)); err == nil || err.Error() != "the token's signature is wrong" {
			t.Errorf("%.40s, with a wrong signature: %v", claims, err)
		}
	}
}

// Errors contain nothing from a token except the subject, and only if the signature is
// valid.
func TestTokenErrors(t *testing.T) {
	for claims, want := range map[string]string{
		`{"sub":"ann\u001b[2J","exp":1}`:                                `the token has expired (subject "ann\x1b[2J")`,
		`{"sub":"` + strings.Repeat("x", 5000) + `","exp":1}`:           `the token has expired (subject "` + strings.Repeat("x", 64) + `")`,
		`{"sub":"ann","exp":` + strings.Repeat("7", 5000) + `}`:         `the token's exp is not a number of seconds up to the year 9999 (subject "ann")`,
		`{"sub":"ann","exp":1800000060,"rooms":{"s3cr3t":` + `5` + `}}`: `the token's rooms claim is not a list of strings (subject "ann")`,
		`{"s3cr3t`: `the token's claims must be a JSON object`,
	} {
		_, err := testVerifier(t).Verify(t.Context(), signed(plainHeader, claims))
		if err == nil || err.Error() != want {
			t.Errorf("%.40s: %v, want %s", claims, err, want)
		}
		token := signed(plainHeader, claims)
		if _, err := testVerifier(t).Verify(t.Context(), token[:len(token)-43]+strings.Repeat("A", 43)); err == nil || err.Error() != "the token's signature is wrong" {
			t.Errorf("%.40s, with a wrong signature: %v", claims, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(plainHeader, `{"sub":"ann","exp":1800000060,"rooms":["a"]}`)
	f.Add(`{"alg":"none","ALG":"HS256"}`, `{"sub":"ann","SUB":"eve","exp":1800000060}`)
	f.Add(`{"alg":"HS256"}`, `{"sub":"ann","s\u0075b":"eve","exp":18e8}`)
	f.Add("a.b", "c\n")
	f.Fuzz(func(t *testing.T, header, claims string) {
		v := testVerifier(t)
		c, err := v.Verify(t.Context(), signed(header, claims))
		if _, asIs := v.Verify(t.Context(), header+"."+claims); asIs == nil {
			t.Errorf("%q.%q is accepted without a valid signature", header, claims)
		}
		if err != nil {
			if text := err.Error(); len(text) > 400 || strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("the error is %q", text)
			}
			return
		}
		// Package json reads the same names, each exactly once.
		for what, text := range map[string]string{"alg": header, "sub": claims, "exp": claims} {
			if n := strings.Count(strings.Join(names(t, text), "\n")+"\n", what+"\n"); n < 1 {
				t.Errorf("%q is accepted and has no %s", text, what)
			}
		}
		var got map[string]any // exact names
		dec := json.NewDecoder(strings.NewReader(claims))
		dec.UseNumber() // whose text is that of the token
		if err := dec.Decode(&got); err != nil || fmt.Sprint(got["sub"]) != c.Subject || c.Subject == "" {
			t.Errorf("%q logs in as %q: %v", claims, c.Subject, err)
		}
		if exp, err := got["exp"].(json.Number).Float64(); err != nil || exp <= float64(testNow.Unix()) {
			t.Errorf("%q has expired", claims)
		}
		for _, text := range []string{header, claims} {
			list := names(t, text)
			seen := map[string]bool{}
			for _, name := range list {
				if seen[name] {
					t.Errorf("%q has %q twice", text, name)
				}
				seen[name] = true
			}
		}
	})
}

// names returns the names of the top level of a JSON object, as package json reads them.
func names(t *testing.T, text string) (list []string) {
	dec := json.NewDecoder(strings.NewReader(text))
	if _, err := dec.Token(); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	for dec.More() {
		name, err := dec.Token()
		var skipped json.RawMessage
		if err == nil {
			err = dec.Decode(&skipped)
		}
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		list = append(list, fmt.Sprint(name))
	}
	return list
}
