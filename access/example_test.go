package access_test

import (
	"encoding/json"
	"fmt"
	"log"

	"go.yaml.in/yaml/v3"

	"github.com/ignis-go/ignis/access"
)

func Example() {
	rules, err := access.Compile([]access.Rule{
		{Match: "public-*", Join: access.JoinRule{Who: access.Anyone}},
		{Match: "user:{user}:*", Join: access.JoinRule{Who: access.Anyone}},
		{
			Match: "team-{team}",
			Join:  access.JoinRule{Claim: "teams"},
			Send:  []access.SendRule{{Events: []string{"say", "typing"}}},
		},
	})
	if err != nil {
		log.Fatal(err)
	}

	claims := map[string]json.RawMessage{"teams": json.RawMessage(`["red"]`)}
	ann := access.Subject{User: "ann", Claims: func(name string) json.RawMessage { return claims[name] }}
	fmt.Println(rules.Join(ann, "public-news").Allowed)
	fmt.Println(rules.Join(ann, "user:bob:inbox").Reason)
	fmt.Println(rules.Send(ann, "team-red", "say", true).Relay)
	fmt.Println(rules.Join(ann, "team-blue"))
	// Output:
	// true
	// the room is another user's
	// true
	// no (rooms[2] "team-{team}", claim teams, the claim does not list the value)
}

// Rules as part of a configuration file.
func ExampleRules_UnmarshalYAML() {
	const text = `
listen: :8080
rooms:
  - match: "public-*"
    join: all
  - match: "team-{team}"
    join: {claim: teams}
    sned: {events: [say]}
`
	var config struct {
		Listen string
		Rooms  *access.Rules
	}
	fmt.Println(yaml.Unmarshal([]byte(text), &config))
	// Output:
	// yaml: unmarshal errors:
	//   line 5: rooms[0].join: expected anyone, nobody, webhook or a mapping with claim, of and is, but got "all"
	//   line 8: rooms[1].sned: unknown key; did you mean send?
}

func ExampleRules_Explain() {
	var rules access.Rules
	err := yaml.Unmarshal([]byte(`
- match: "quiz-*"
  join: webhook
  send: {events: [answer], to: webhook}
- match: "*"
  join: anyone
`), &rules)
	if err != nil {
		log.Fatal(err)
	}
	ann := access.Subject{User: "ann"}
	fmt.Println(rules.Explain(ann, "quiz-7"))
	fmt.Println(rules.Explain(ann, "lobby"))
	fmt.Println(rules.Explain(ann, "*"))
	// Output:
	// join: the webhook decides (rooms[0] "quiz-*" on line 2)   send: answer (as a member, to the webhook)
	// join: yes (rooms[1] "*" on line 5)   send: no
	// join: no (the name of the room contains one of * ? [ ] { } \)   send: no
}
