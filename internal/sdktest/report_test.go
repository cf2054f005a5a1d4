package sdktest

import "testing"

// Lines that are not reports are rejected.
func TestParseReport(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"", "hello", "5", "null", "[]", `"state"`, "{}", `{"state"`, `{"state":5}`, `{"other":1}`, `{"code":"lost"}`,
		`{"state":"idle","result":"s1"}`, `{"asked":"connect"}`, `{"lacks":[],"message":{}}`, `{"state":"idle"}{}`,
	} {
		if r, err := parseReport([]byte(line)); err == nil {
			t.Errorf("%s was parsed as %+v", line, r)
		}
	}
	for line, check := range map[string]func(report) bool{
		`{"lacks":[]}`: func(r report) bool { return r.Lacks != nil && len(r.Lacks) == 0 },
		`{"state":"waiting","retryIn":0,"more":[]}`: func(r report) bool { return r.State == "waiting" && *r.RetryIn == 0 },
		`{"message":{"event":"e","data":null}}`:     func(r report) bool { return r.Message.Event == "e" && r.Ref == "" },
		`{"result":"s1","error":"lost"}`:            func(r report) bool { return r.Result == "s1" && r.failed() && !r.Problem },
		`{"error":""}`:                              func(r report) bool { return r.Problem },
		`{"asked":"refresh","ask":3}`:               func(r report) bool { return r.Asked == "refresh" && r.Ask == 3 },
	} {
		if r, err := parseReport([]byte(line)); err != nil || !check(r) {
			t.Errorf("%s was parsed as %+v, %v", line, r, err)
		}
	}
}
