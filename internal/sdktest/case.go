package sdktest

import (
	"slices"
	"strings"
)

// Case tests one or more rules of sdk/SPEC.md.
type Case struct {
	Name  string
	Rules []string // the first one is the rule that is broken unless the case says otherwise
	Needs []string // features that the client must have
	Text  string   // what the client does, as a clause: "connects again after ..."
	play  func(*play)
}

// newCase returns a case. Rules and needs are separated by spaces.
func newCase(name, rules, needs, text string, run func(*play)) Case {
	return Case{Name: name, Rules: strings.Fields(rules), Needs: strings.Fields(needs), Text: text, play: run}
}

// Cases returns all cases in the order of the rules.
func Cases() []Case {
	return slices.Concat(
		connectCases(), closeCases(), versionCases(), reconnectCases(), delayCases(), aliveCases(),
		requestCases(), bufferCases(), roomCases(), messageCases(), encryptionCases(), sessionCases(),
	)
}

// Features returns what a driver may declare that its client lacks.
func Features() []string {
	return []string{"reconnect", "buffer", "retry", "volatile", "rooms", "room-data", "handlers"}
}

// Fault is a broken rule, or a driver that does not work.
type Fault struct {
	Rule string `json:"rule,omitempty"` // empty if the driver is at fault
	Want string `json:"expected"`
	Got  string `json:"got"`
}

// String returns the fault as the rest of a line.
func (f *Fault) String() string {
	s := "expected " + f.Want + "; got " + f.Got
	if f.Rule != "" {
		return f.Rule + ": " + s
	}
	return "the driver is at fault: " + s
}
