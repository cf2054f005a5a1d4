package sdktest

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"
)

// This file contains what the application does and sees in a case.

// tell sends a command to the driver.
func (p *play) tell(command fields) {
	text, err := p.driver.tell(command)
	if err != nil {
		p.rule("").fail("a driver that reads commands", err.Error())
	}
	p.tracef("tell the driver: %s", short(string(text)))
}

// make makes the client. The options of more replace those that suit most cases: short
// delays, and limits that are not reached.
func (p *play) make(more ...fields) {
	command := fields{"do": "new", "options": fields{
		"minDelay": 20, "maxDelay": 60, "requestTimeout": 10_000, "connectTimeout": 10_000,
	}}
	for _, f := range more {
		for name, value := range f {
			if name == "options" {
				maps.Copy(command["options"].(fields), value.(fields)) //nolint:forcetypeassert // set above
				continue
			}
			command[name] = value
		}
	}
	if info, ok := command["info"].(string); ok {
		p.info = info
	}
	p.tell(command)
}

// options is the field options of the command new.
func options(o fields) fields { return fields{"options": o} }

// encrypted makes the client encrypt.
func encrypted() fields { return fields{"encryption": true} }

// provided makes the client use a provider.
func provided() fields { return fields{"provide": true} }

func token(text string) fields { return fields{"token": text} }

func (p *play) connect() { p.tell(fields{"do": "connect"}) }
func (p *play) close()   { p.tell(fields{"do": "close"}) }

// begin makes the client and lets it connect.
func (p *play) begin(more ...fields) {
	p.make(more...)
	p.connect()
}

// session is begin, and waits until the client is connected.
func (p *play) session(more ...fields) *conn {
	p.begin(more...)
	return p.connected()
}

// connected accepts the next connection and waits until the client is connected.
func (p *play) connected(more ...fields) *conn {
	c := p.welcome(more...)
	p.state("connected")
	return c
}

// send sends a request.
func (p *play) send(ref string, data any, more ...fields) {
	command := fields{"do": "send", "ref": ref, "event": "say"}
	if data != nil {
		command["data"] = data
	}
	for _, f := range more {
		maps.Copy(command, f)
	}
	p.tell(command)
}

func (p *play) room(room, ref string) { p.tell(fields{"do": "room", "room": room, "ref": ref}) }
func (p *play) leave(ref string)      { p.tell(fields{"do": "leave", "ref": ref}) }

// report waits for a report and takes it.
func (p *play) report(want string, match func(*report) bool) (found report) {
	p.soon(want, func() bool {
		i := slices.IndexFunc(p.reports, func(r report) bool { return match(&r) })
		if i < 0 {
			return false
		}
		found = p.reports[i]
		p.reports = slices.Delete(p.reports, i, i+1)
		return true
	})
	return found
}

// state waits until the client reports a state, and takes all that were reported before.
func (p *play) state(name string) (found report) {
	p.soon(fmt.Sprintf("the state %q", name), func() bool {
		for i, r := range p.reports {
			if r.State != name {
				continue
			}
			found = r
			rest := p.reports[i+1:]
			p.reports = slices.Concat(slices.DeleteFunc(slices.Clone(p.reports[:i]), func(r report) bool { return r.State != "" }), rest)
			return true
		}
		return false
	})
	return found
}

// noState checks that the client does not report a state for a time.
func (p *play) noState(d time.Duration, name string) {
	p.never(d, fmt.Sprintf("no state %q within %v", name, d), func() string {
		for _, r := range p.reports {
			if r.State == name {
				return r.String()
			}
		}
		return ""
	})
}

// asked waits until the provider is called with a reason, and returns the number.
func (p *play) asked(reason string) int {
	r := p.report("the provider to be asked", func(r *report) bool { return r.Asked != "" })
	if r.Asked != reason {
		p.fail(fmt.Sprintf("the provider to be asked with the reason %q", reason), r.String())
	}
	return r.Ask
}

// notAsked checks that the provider is not called for a time.
func (p *play) notAsked(d time.Duration) {
	p.never(d, fmt.Sprintf("the provider not to be asked within %v", d), func() string {
		for _, r := range p.reports {
			if r.Asked != "" {
				return r.String()
			}
		}
		return ""
	})
}

// provide lets the provider return.
func (p *play) provide(ask int, credentials fields) {
	p.tell(fields{"do": "provide", "ask": ask, "credentials": credentials})
}

// provideError lets the provider fail.
func (p *play) provideError(ask int) {
	p.tell(fields{"do": "provide", "ask": ask, "error": "no network"})
}

// problem waits for an error that belongs to no call.
func (p *play) problem() {
	p.report("the error to be reported", func(r *report) bool { return r.Problem })
}

// result waits for the result of a request.
func (p *play) result(ref string) report {
	return p.report(fmt.Sprintf("a result for %s", ref), func(r *report) bool { return r.Result == ref })
}

// reply waits until a request succeeds with this data; nil means none.
func (p *play) reply(ref string, data any) {
	r := p.result(ref)
	switch {
	case r.failed():
		p.fail("success of "+ref, r.String())
	case data == nil && r.Data != nil && string(r.Data) != "null":
		p.fail("no data in the result of "+ref, r.String())
	case data != nil && !same(r.Data, data):
		p.fail(fmt.Sprintf("the data %s in the result of %s", encode(data), ref), r.String())
	}
}

// fails waits until a request fails with this code.
func (p *play) fails(ref, code string) {
	if r := p.result(ref); r.Error != code {
		p.fail(fmt.Sprintf("the error %q for %s", code, ref), r.String())
	}
}

// noResult checks that a request does not end for a time.
func (p *play) noResult(d time.Duration, ref string) {
	p.never(d, fmt.Sprintf("no result for %s within %v", ref, d), func() string {
		for _, r := range p.reports {
			if r.Result == ref {
				return r.String()
			}
		}
		return ""
	})
}

// joined waits until a handle is joined, or refused with a code.
func (p *play) joined(ref, code string) {
	r := p.report(fmt.Sprintf("the handle %s to be joined or refused", ref), func(r *report) bool { return r.Joined == ref })
	if r.Error != code {
		p.fail(fmt.Sprintf("the error %q for the handle %s", code, ref), r.String())
	}
}

// refused waits until a handle is refused with a code and a text of the server.
func (p *play) refused(ref, code, text string) {
	r := p.report(fmt.Sprintf("the handle %s to be refused", ref), func(r *report) bool { return r.Joined == ref })
	if r.Error != code || r.Text != text {
		p.fail(fmt.Sprintf("the error %q with the text %q for the handle %s", code, text, ref), r.String())
	}
}

// delivered waits for the next message that a handler received: of the handle ref, or for
// all messages if that is empty.
func (p *play) delivered(ref string, event string, data any) *delivered {
	r := p.report(fmt.Sprintf("the message %q at the handler %q", event, ref), func(r *report) bool { return r.Message != nil && r.Ref == ref })
	if r.Message.Event != event || data != nil && !same(r.Message.Data, data) {
		p.fail(fmt.Sprintf("the message %q with the data %s at the handler %q", event, short(string(encode(data))), ref), r.String())
	}
	return r.Message
}

// notDelivered checks that no handler receives a message for a time.
func (p *play) notDelivered(d time.Duration) {
	p.never(d, fmt.Sprintf("no message to be delivered within %v", d), func() string {
		for _, r := range p.reports {
			if r.Message != nil {
				return r.String()
			}
		}
		return ""
	})
}

// same reports whether JSON has a value.
func same(text json.RawMessage, value any) bool {
	var a, b any
	return text != nil && json.Unmarshal(text, &a) == nil && json.Unmarshal(encode(value), &b) == nil && reflect.DeepEqual(a, b)
}
