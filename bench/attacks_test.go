package main

import "testing"

// A line of the log counts for itself and for those that it stands for.
func TestRefusals(t *testing.T) {
	var r refusals
	for _, line := range []string{
		`{"level":"WARN","msg":"connection refused","error":"too many connections from one address"}`,
		`{"level":"WARN","msg":"connection refused","error":"too many connections from one address","more":40}`,
		`{"level":"WARN","msg":"connection refused","error":"x","more":500,"in_the_last":9000000}`,
		`{"level":"INFO","msg":"join refused: too many joins","room":"a"}`,
		`{"level":"INFO","msg":"server is ready","more":7}`,
		`not JSON`,
	} {
		r.read(line)
	}
	if n := r.count(); n != 1+41+500+1 {
		t.Errorf("counted %v", n)
	}
}
