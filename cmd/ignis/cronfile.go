package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/wire"
)

const (
	// maxCronFile bounds a file of jobs, in bytes.
	maxCronFile = 4 << 20
	// emitTimeout is how long sending may take unless the job says something else.
	emitTimeout = 30 * time.Second
)

// cronJob is a job of a file: what it emits, and when.
type cronJob struct {
	line    int
	config  cron.Config // without what every job has
	message emitter.Message
}

// same reports whether another one does the same, wherever it stands.
func (j *cronJob) same(o *cronJob) bool {
	return reflect.DeepEqual(j.config, o.config) && reflect.DeepEqual(j.message, o.message)
}

// jobFields is a job as it is written.
type jobFields struct {
	Pattern  string
	Zone     string
	Event    string
	Room     *string
	User     *string
	Client   *string
	Everyone bool
	Exclude  []string
	Data     yaml.Node
	Misfire  string
	Deadline yamlPeriod
	Jitter   yamlPeriod
	Timeout  yamlPeriod
}

// yamlPeriod is a span of time above zero, as in flags.
type yamlPeriod time.Duration

// UnmarshalYAML reads it.
func (p *yamlPeriod) UnmarshalYAML(n *yaml.Node) error {
	var d period
	if err := d.UnmarshalText([]byte(n.Value)); err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	*p = yamlPeriod(d)
	return nil
}

// cronFileError is all that is wrong with a file.
type cronFileError struct {
	name     string
	problems []string
}

func (e *cronFileError) Error() string {
	return fmt.Sprintf("%s: %s", e.name, strings.Join(e.problems, "\n"))
}

// readCronFile reads a file of jobs, which are in a zone unless the file says
// another one. Its error names all that is wrong.
func readCronFile(name, zone string) ([]cronJob, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxCronFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxCronFile {
		return nil, &cronFileError{name, []string{fmt.Sprintf("expected at most %d bytes", maxCronFile)}}
	}
	jobs, problems := parseCronFile(text, zone)
	if len(problems) > 0 {
		return nil, &cronFileError{name, problems}
	}
	return jobs, nil
}

// parseCronFile reads the text of a file, and returns all that is wrong with it.
func parseCronFile(text []byte, zone string) (jobs []cronJob, problems []string) {
	var file struct {
		Zone string
		Jobs yaml.Node
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, yamlProblems(err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, []string{"expected one YAML document"}
	}
	if file.Zone == "" {
		file.Zone = zone
	}
	if file.Jobs.Kind != yaml.MappingNode || len(file.Jobs.Content) == 0 {
		return nil, []string{`expected jobs by their names below "jobs:"; ignis cron run --help shows an example`}
	}
	lines := make(map[string]int)
	for i := 0; i+1 < len(file.Jobs.Content); i += 2 {
		key, value := file.Jobs.Content[i], file.Jobs.Content[i+1]
		if before, ok := lines[key.Value]; ok {
			problems = append(problems, fmt.Sprintf("line %d: job %q is there already, in line %d", key.Line, key.Value, before))
			continue
		}
		lines[key.Value] = key.Line
		job, found := parseCronJob(key, value, file.Zone)
		for _, p := range found {
			if !strings.HasPrefix(p, "line ") {
				p = fmt.Sprintf("line %d: %s", key.Line, p)
			}
			at, p, _ := strings.Cut(p, ": ")
			problems = append(problems, fmt.Sprintf("%s: job %q: %s", at, key.Value, p))
		}
		jobs = append(jobs, job)
	}
	return jobs, problems
}

// parseCronJob reads one job, and returns what is wrong with it.
func parseCronJob(key, value *yaml.Node, zone string) (cronJob, []string) {
	var f jobFields
	if problems := unknownFields(value); len(problems) > 0 {
		return cronJob{}, problems
	}
	if err := value.Decode(&f); err != nil {
		return cronJob{}, yamlProblems(err)
	}
	if f.Zone == "" {
		f.Zone = zone
	}
	j := cronJob{line: key.Line}
	var problems []string
	wrong := func(field, format string, args ...any) {
		problems = append(problems, fmt.Sprintf("line %d: ", lineOf(value, field))+fmt.Sprintf(format, args...))
	}
	j.config = cron.Config{
		Name: key.Value, Pattern: f.Pattern, Options: []cron.Option{cron.Extended}, Zone: f.Zone,
		Deadline: time.Duration(f.Deadline), Jitter: time.Duration(f.Jitter), Timeout: time.Duration(f.Timeout),
	}
	if j.config.Timeout == 0 {
		j.config.Timeout = emitTimeout
	}
	if key.Value == "" {
		wrong("", "a job needs a name")
	}
	policies := map[string]cron.Misfire{"": cron.MisfireOnce, "once": cron.MisfireOnce, "all": cron.MisfireAll, "skip": cron.MisfireSkip}
	var ok bool
	if j.config.Misfire, ok = policies[f.Misfire]; !ok {
		wrong("misfire", "misfire: expected once, all or skip, but got %q", f.Misfire)
	}
	check := j.config
	check.Do = func(context.Context, cron.Run) error { return nil }
	if _, err := cron.New(check); err != nil {
		field := "pattern"
		if strings.Contains(err.Error(), "Zone:") {
			field = "zone"
		}
		wrong(field, "%s", strings.TrimPrefix(err.Error(), "cron: "))
	}
	j.message = emitter.Message{Event: f.Event, Exclude: f.Exclude}
	if err := f.target(&j.message); err != nil {
		wrong("", "%v", err)
	}
	if data, err := jsonData(&f.Data); err != nil {
		wrong("data", "data: %v", err)
	} else if data != nil {
		j.message.Data = data
	}
	if len(problems) == 0 {
		if err := j.message.Check(); err != nil {
			wrong("event", "%v", err)
		}
	}
	return j, problems
}

// target sets whom the message is for.
func (f *jobFields) target(m *emitter.Message) error {
	n := 0
	for _, t := range []struct {
		to *string
		is wire.Type
	}{{f.Room, emitter.Room}, {f.User, emitter.User}, {f.Client, emitter.Client}} {
		if t.to != nil {
			m.Type, m.Target = t.is, *t.to
			n++
		}
	}
	if f.Everyone {
		m.Type = emitter.Everyone
		n++
	}
	if n != 1 {
		return errors.New("expected one of room, user, client and everyone: true")
	}
	return nil
}

// unknownFields returns the fields of a job that there are not.
func unknownFields(n *yaml.Node) (problems []string) {
	if n.Kind != yaml.MappingNode {
		return []string{fmt.Sprintf("line %d: expected fields such as pattern: and event:", n.Line)}
	}
	t := reflect.TypeFor[jobFields]()
	var known []string
	for i := range t.NumField() {
		known = append(known, strings.ToLower(t.Field(i).Name))
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i]; k.ShortTag() != "!!merge" && !slices.Contains(known, k.Value) {
			problems = append(problems, fmt.Sprintf("line %d: there is no field %q; there are %s", k.Line, k.Value, strings.Join(known, ", ")))
		}
	}
	return problems
}

// lineOf returns the line of a field of a job, or of the job.
func lineOf(n *yaml.Node, field string) int {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == field {
			return n.Content[i].Line
		}
	}
	return n.Line
}

// yamlProblems makes lines of what the decoder says.
func yamlProblems(err error) []string {
	var t *yaml.TypeError
	if errors.As(err, &t) {
		return t.Errors
	}
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if strings.Contains(text, "alphabetic or numeric") || strings.Contains(text, "cannot start any token") {
		text += " (a pattern that starts with * or @ needs quotes)"
	}
	return []string{text}
}

// jsonData writes YAML as JSON. Nothing is nil.
func jsonData(n *yaml.Node) (json.RawMessage, error) {
	if n.IsZero() {
		return nil, nil
	}
	plainTimes(n)
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, errors.New(strings.Join(yamlProblems(err), "; "))
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("it is not JSON: keys are texts, and numbers are finite (%w)", err)
	}
	return text, nil
}

// plainTimes makes texts of what looks like a date: JSON has none, and it is to arrive as it
// is written.
func plainTimes(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!timestamp" {
		n.SetString(n.Value)
	}
	for _, c := range n.Content {
		plainTimes(c)
	}
}
