package access

import "encoding/json"

// encodedRule is a rule as it is written in YAML and JSON.
type encodedRule struct {
	Match string `json:"match" yaml:"match"`
	Join  any    `json:"join" yaml:"join"`                     // a Who or an encodedClaim
	Send  any    `json:"send,omitempty" yaml:"send,omitempty"` // an encodedSend or a list of them
}

type encodedClaim struct {
	Claim string `json:"claim" yaml:"claim"`
	Of    string `json:"of,omitempty" yaml:"of,omitempty"`

	Is []string `json:"is,omitempty" yaml:"is,omitempty,flow"`
}

type encodedSend struct {
	Events []string `json:"events" yaml:"events,flow"`
	From   Senders  `json:"from,omitempty" yaml:"from,omitempty"`
	To     Target   `json:"to,omitempty" yaml:"to,omitempty"`

	ExceptSender bool `json:"except_sender,omitempty" yaml:"except_sender,omitempty"`
}

// MarshalYAML returns the list of rules in the form that UnmarshalYAML reads.
func (r *Rules) MarshalYAML() (any, error) { return r.encoded(), nil }

// MarshalJSON encodes the list of rules in the form that UnmarshalJSON reads.
func (r *Rules) MarshalJSON() ([]byte, error) { return json.Marshal(r.encoded()) }

func (r *Rules) encoded() []encodedRule {
	list := []encodedRule{} // encoded as [], not as null
	for _, rule := range r.List() {
		e := encodedRule{Match: rule.Match, Join: rule.Join.Who}
		switch {
		case rule.Join.Claim != "":
			e.Join = encodedClaim{rule.Join.Claim, rule.Join.Of, rule.Join.Is}
		case rule.Join.Who == "":
			e.Join = Nobody
		}
		var sends []encodedSend
		for _, s := range rule.Send {
			sends = append(sends, encodedSend(s))
		}
		switch len(sends) {
		case 0:
		case 1:
			e.Send = sends[0]
		default:
			e.Send = sends
		}
		list = append(list, e)
	}
	return list
}
