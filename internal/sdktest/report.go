package sdktest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// report is a line that the driver prints; see sdk/SPEC.md. One of the fields up to
// Problem is set.
type report struct {
	Lacks   []string
	State   string
	Message *delivered
	Joined  string
	Result  string
	Asked   string
	Problem bool // an error that belongs to no call

	// The error code of a result or a join, or the text of the problem.
	Error string
	Text  string // of the server, unchanged: of a result, a join or a state

	ID       string // of the connection
	UserID   string
	Protocol int
	Code     string // the reason of a state
	Server   string // the code with which the server refused the client
	Close    int
	RetryIn  *float64

	Data json.RawMessage // of a result; nil if there is none
	Ref  string          // of the handle whose handler was called
	Ask  int

	text string
}

// delivered is a message that a handler of the application received.
type delivered struct {
	Event string          `json:"event"`
	Data  json.RawMessage `json:"data"`
	Room  string          `json:"room"`
	From  json.RawMessage `json:"from"`
}

// parseReport parses a line. Unknown keys are ignored.
func parseReport(line []byte) (report, error) {
	var v struct {
		Lacks    *[]string       `json:"lacks"`
		State    string          `json:"state"`
		Message  *delivered      `json:"message"`
		Joined   string          `json:"joined"`
		Result   string          `json:"result"`
		Asked    string          `json:"asked"`
		Error    *string         `json:"error"`
		ID       string          `json:"id"`
		UserID   string          `json:"userId"`
		Protocol int             `json:"protocol"`
		Code     string          `json:"code"`
		Server   string          `json:"serverCode"`
		Text     string          `json:"text"`
		Close    int             `json:"closeCode"`
		RetryIn  *float64        `json:"retryIn"`
		Data     json.RawMessage `json:"data"`
		Ref      string          `json:"ref"`
		Ask      int             `json:"ask"`
	}
	if !bytes.HasPrefix(line, []byte("{")) {
		return report{}, errors.New("not a JSON object")
	}
	if err := json.Unmarshal(line, &v); err != nil {
		return report{}, err
	}
	r := report{
		State: v.State, Message: v.Message, Joined: v.Joined, Result: v.Result, Asked: v.Asked,
		ID: v.ID, UserID: v.UserID, Protocol: v.Protocol, Code: v.Code, Server: v.Server, Text: v.Text, Close: v.Close, RetryIn: v.RetryIn,
		Data: v.Data, Ref: v.Ref, Ask: v.Ask, text: string(line),
	}
	if v.Error != nil {
		r.Error = *v.Error
	}
	kinds := 0
	for _, is := range []bool{v.Lacks != nil, v.State != "", v.Message != nil, v.Joined != "", v.Result != "", v.Asked != ""} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds == 0 && v.Error != nil:
		r.Problem = true
	case kinds != 1:
		return r, errors.New("not one of the reports lacks, state, message, joined, result, asked and error")
	case v.Asked != "" && v.Ask == 0:
		return r, errors.New(`"asked" without the number "ask"`)
	}
	if v.Lacks != nil {
		r.Lacks = append([]string{}, *v.Lacks...)
	}
	return r, nil
}

// failed reports whether a result or a join has failed with an error code.
func (r *report) failed() bool { return r.Error != "" }

// String returns the line, shortened.
func (r *report) String() string { return short(r.text) }

// short returns the beginning of a text.
func short(text string) string {
	const most = 160
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s... (%d bytes)", text[:most], len(text))
}
