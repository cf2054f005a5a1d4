// Package jwtauth authenticates the clients of an Ignis server with JSON Web Tokens
// (RFC 7519). The methods of a [Verifier] are the callbacks of [ignis.Config]:
//
//	tokens, err := jwtauth.New(jwtauth.Config{Secret: secret})
//	...
//	srv, err := ignis.New(ignis.Config{
//		Authenticate:  tokens.Authenticate,
//		ValidateRooms: tokens.ValidateRooms,
//	})
//
// Clients send the token as data.token of their authenticate event. It must be signed
// with HS256. These claims are read:
//
//	sub    ID of the user; required
//	exp    when the token expires; required
//	nbf    when the token becomes valid; optional
//	iat    when the token was issued; optional
//	rooms  list of the rooms that the client may join; optional, see Rooms
//
// No other claim is read, not even iss and aud. An application that needs them calls
// [Verifier.Verify] in its own Authenticate and looks at [Claims.Field].
//
// A token that two parsers could interpret differently is refused. Names are compared
// exactly, including case, and no name may occur twice. Base64 must be in its canonical
// form. There is no leeway for exp, but the issuer's clock may be up to ten seconds ahead.
package jwtauth
