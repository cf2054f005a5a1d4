package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// maxExclude is the maximum number of clients that a message excludes.
const maxExclude = 1000

// decoder decodes requests to publish. Package huma would take several times as long.
type decoder struct {
	key   *key
	limit int // posts
	posts []ignis.Post
	sizes []int          // of each message: the number of its posts
	data  []wire.Checked // of each message that has any
	index int            // of the message that is decoded; -1 if the body is a message

	fields fields   // of the message that is decoded
	wrong  *problem // with one of them

	event, name string // of the previous post, to save memory if they are repeated
}

// where returns the location of a field of the message that is decoded.
func (d *decoder) where(field string) string {
	if d.index < 0 {
		return "body" + field
	}
	return fmt.Sprintf("body.messages[%d]%s", d.index, field)
}

// bad returns a problem with a field of the message that is decoded.
func (d *decoder) bad(field, format string, args ...any) *problem {
	return problemAt(d.where(field), format, args...)
}

// problemAt returns a problem with a part of the body.
func problemAt(location, format string, args ...any) *problem {
	return problemInvalid.problem(fmt.Sprintf(format, args...)).at(location)
}

// failed returns a problem for an error of package wire.
func failed(location string, err error) *problem {
	if errors.Is(err, wire.ErrShape) {
		return problemAt(location, "want an object or an array, as documented")
	}
	return problemMalformed.problem(fmt.Sprintf("The body is not valid JSON: %v.", err))
}

// batch decodes {"messages": [...]}.
func (d *decoder) batch(body []byte) (p *problem) {
	d.index = 0
	lists := 0
	scanner := wire.ObjectScanner{List: "messages", Field: d.field, Element: func(value []byte) {
		if p == nil {
			p = d.message(value)
			d.index++
		}
	}, Other: func(key, value []byte) {
		switch {
		case p != nil:
		case string(key) != "messages":
			p = unknownField("body", key)
		case value != nil:
			p = problemAt("body.messages", "want an array of messages")
		default:
			lists++
		}
	}}
	err := scanner.Scan(body)
	switch {
	case err != nil:
		return failed("body", err)
	case p != nil:
		return p
	case lists > 1:
		return problemAt("body.messages", "the field occurs twice")
	case d.index == 0:
		return problemAt("body.messages", "want an array of at least one message")
	}
	return nil
}

// single decodes a body that is a message.
func (d *decoder) single(body []byte) *problem {
	d.index = -1
	if err := wire.EachField(body, d.field); err != nil {
		return failed("body", err)
	}
	return d.message(nil)
}

// fields are the values of the fields of a message.
type fields struct{ to, event, data, key, exclude, from []byte }

// field stores a field of the message that is decoded.
func (d *decoder) field(key, value []byte) {
	var field *[]byte
	switch string(key) {
	case "to":
		field = &d.fields.to
	case "event":
		field = &d.fields.event
	case "data":
		field = &d.fields.data
	case "key":
		field = &d.fields.key
	case "exclude":
		field = &d.fields.exclude
	case "from":
		field = &d.fields.from
	default:
		if d.wrong == nil {
			d.wrong = unknownField(d.where(""), key)
		}
		return
	}
	if *field != nil && d.wrong == nil {
		d.wrong = d.bad("."+string(key), "the field occurs twice")
	}
	*field = value
}

// message decodes the message whose fields were stored, and appends a post for each of its
// targets. element is the text of the message in a batch.
func (d *decoder) message(element []byte) *problem {
	f, wrong := d.fields, d.wrong
	d.fields, d.wrong = fields{}, nil
	switch {
	case len(element) > 0 && element[0] != '{':
		return d.bad("", "want a message, which is an object")
	case wrong != nil:
		return wrong
	}
	return d.post(&f)
}

func (d *decoder) post(f *fields) *problem {
	post := ignis.Post{}
	if f.data != nil {
		d.data = append(d.data, f.data)
		post.Data = &d.data[len(d.data)-1]
	}
	var ok bool
	if post.Event, ok = repeated(f.event, &d.event); !ok || post.Event == "" {
		return d.bad(".event", "want a string that is not empty")
	}
	if post.Event == wire.EventConnected || post.Event == wire.EventEncrypted {
		return d.bad(".event", "the event %s is reserved for servers", post.Event)
	}
	if f.key != nil {
		if post.Key, ok = text(f.key); !ok {
			return d.bad(".key", "want a string")
		}
	}
	if f.from != nil {
		var p *problem
		if post.From, p = d.sender(f.from); p != nil {
			return p
		}
	}
	before := len(d.posts)
	if p := d.targets(f.to, &post); p != nil {
		return p
	}
	d.sizes = append(d.sizes, len(d.posts)-before)
	if f.exclude == nil {
		return nil
	}
	exclude, p := d.excluded(f.exclude)
	if p != nil {
		return p
	}
	for i := before; i < len(d.posts); i++ {
		if len(exclude) > 0 && !d.posts[i].To.Excludes() {
			return d.bad(".exclude", "only messages to rooms and to everyone can exclude clients")
		}
		d.posts[i].Exclude = exclude
	}
	return nil
}

// targets appends a copy of post for each target.
func (d *decoder) targets(to []byte, post *ignis.Post) (p *problem) {
	if len(to) == 0 || to[0] != '[' {
		return d.target(to, post)
	}
	before := len(d.posts)
	_ = wire.EachElement(to, func(value []byte) { // cannot fail, because to is a valid array
		if p == nil {
			p = d.target(value, post)
		}
	})
	if p == nil && len(d.posts) == before {
		p = d.bad(".to", "want at least one target")
	}
	return p
}

// target appends a copy of post for a target.
func (d *decoder) target(value []byte, post *ignis.Post) *problem {
	if len(d.posts) >= d.limit {
		return problemTooLarge.problem(fmt.Sprintf("A request may have at most %d messages, and a message counts once for each of its targets.", d.limit)).at(d.where(""))
	}
	var ok bool
	if post.To, ok = target(value, &d.name); !ok {
		return d.bad(".to", wantTarget)
	}
	if !d.key.allows(post.To) {
		return problemForbidden.problem("The key cannot be used to publish to " + describe(post.To) + ".").at(d.where(".to"))
	}
	d.posts = append(d.posts, *post)
	return nil
}

const wantTarget = `want {"room":NAME}, {"user":ID}, {"client":ID} or {"everyone":true}`

// target decodes a target. It reports false if value is not one. last is as for repeated.
func target(value []byte, last *string) (to ignis.Address, ok bool) {
	if len(value) == 0 || value[0] != '{' {
		return to, false
	}
	n := 0
	_ = wire.EachField(value, func(key, value []byte) { // cannot fail, because value is a valid object
		n++
		switch string(key) {
		case "room":
			to.Type = wire.TypeRoom
		case "user":
			to.Type = wire.TypeUser
		case "client":
			to.Type = wire.TypeClient
		case "everyone":
			to.Type = wire.TypeBroadcast
			ok = string(value) == "true"
			return
		default:
			to.Type = ""
		}
		to.Name, ok = repeated(value, last)
		ok = ok && to.Name != "" && to.Type != ""
	})
	return to, ok && n == 1
}

// describe returns the kind of recipients for an error. Names are left out, because they come from
// the client.
func describe(to ignis.Address) string {
	switch to.Type {
	case wire.TypeRoom:
		return "this room"
	case wire.TypeBroadcast:
		return "everyone"
	}
	return "a " + string(to.Type)
}

func (d *decoder) excluded(value []byte) (ids []string, p *problem) {
	bad := d.bad(".exclude", "want an array of at most %d client IDs", maxExclude)
	if len(value) == 0 || value[0] != '[' {
		return nil, bad
	}
	_ = wire.EachElement(value, func(value []byte) { // cannot fail, because value is a valid array
		id, ok := text(value)
		if !ok || len(ids) >= maxExclude {
			p = bad
			return
		}
		ids = append(ids, id)
	})
	return ids, p
}

func (d *decoder) sender(value []byte) (s wire.Sender, p *problem) {
	bad := func() { p = d.bad(".from", `want {"id":ID} or {"id":ID,"userId":ID}`) }
	if len(value) == 0 || value[0] != '{' {
		bad()
		return s, p
	}
	ids, users := 0, 0
	_ = wire.EachField(value, func(key, value []byte) { // cannot fail, because value is a valid object
		var ok bool
		switch string(key) {
		case "id":
			s.ID, ok = text(value)
			ids++
		case "userId":
			s.UserID, ok = text(value)
			users++
		}
		if !ok || ids > 1 || users > 1 {
			bad()
		}
	})
	if s.ID == "" {
		bad()
	}
	return s, p
}

func unknownField(where string, key []byte) *problem {
	return problemAt(where, "the field %.64q is unknown", key)
}

// repeated is like text, but uses no memory for a string that is equal to last. It sets last to
// the string.
func repeated(value []byte, last *string) (string, bool) {
	if n := len(*last); n > 0 && len(value) == n+2 && value[0] == '"' && string(value[1:n+1]) == *last && strings.IndexByte(*last, '\\') < 0 {
		return *last, true
	}
	s, ok := text(value)
	*last = s
	return s, ok
}

// text decodes a JSON string, which must be valid.
func text(value []byte) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	if body := value[1 : len(value)-1]; bytes.IndexByte(body, '\\') < 0 {
		return string(body), true
	}
	var s string
	if json.Unmarshal(value, &s) != nil {
		return "", false
	}
	return s, true
}
