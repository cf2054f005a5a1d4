package main

import (
	"bytes"
	"context"
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
	// maxCronFile is the maximum size of a file of jobs in bytes.
	maxCronFile = 4 << 20
	// emitTimeout is the default timeout of a job.
	emitTimeout = 30 * time.Second
)

// cronJob is a job of a file.
type cronJob struct {
	line    int
	config  cron.Config    // without the fields that newJob sets
	zone    *time.Location // zone of config when the file was read
	message emitter.Message
}

// same reports whether two jobs are equal except for their line numbers.
func (j *cronJob) same(o *cronJob) bool {
	return reflect.DeepEqual(j.config, o.config) && reflect.DeepEqual(j.message, o.message) && sameRules(j.zone, o.zone)
}

// sameRules reports whether two zones have the same rules from a year ago to ten years ahead. They may
// differ even for one name, because zone files can be replaced.
func sameRules(a, b *time.Location) bool {
	now := time.Now()
	for t := now.AddDate(-1, 0, 0); t.Before(now.AddDate(10, 0, 0)); {
		inA, inB := t.In(a), t.In(b)
		nameA, offsetA := inA.Zone()
		nameB, offsetB := inB.Zone()
		_, endA := inA.ZoneBounds()
		_, endB := inB.ZoneBounds()
		if nameA != nameB || offsetA != offsetB || !endA.Equal(endB) {
			return false
		}
		if !endA.After(t) { // no further changes
			return true
		}
		t = endA
	}
	return true
}

// jobFields is a job as written in the file.
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

// yamlPeriod is a positive duration, in the same format as in flags.
type yamlPeriod time.Duration

// UnmarshalYAML implements yaml.Unmarshaler.
func (p *yamlPeriod) UnmarshalYAML(n *yaml.Node) error {
	var d period
	if err := d.UnmarshalText([]byte(n.Value)); err != nil {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %v", n.Line, err)}} // so that the other fields are decoded as well
	}
	*p = yamlPeriod(d)
	return nil
}

// cronFileError lists the problems of a file.
type cronFileError struct {
	name     string
	problems []string
}

func (e *cronFileError) Error() string {
	return fmt.Sprintf("%s: %s", e.name, strings.Join(e.problems, "\n"))
}

// readCronFile reads a file of jobs. zone is the default time zone of the jobs. If the file is invalid,
// it returns a *cronFileError with all problems.
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

// parseCronFile parses the text of a file, and returns all problems.
func parseCronFile(text []byte, zone string) (jobs []cronJob, problems []string) {
	list, own, problems := cronFileTop(text)
	if own != "" {
		zone = own
	}
	if list == nil {
		return nil, problems
	}
	lines := make(map[string]int)
	for i := 0; i+1 < len(list.Content); i += 2 {
		key, value := resolve(list.Content[i]), resolve(list.Content[i+1])
		if before, ok := lines[key.Value]; ok {
			problems = append(problems, fmt.Sprintf("line %d: job %q is already defined in line %d", key.Line, key.Value, before))
			continue
		}
		lines[key.Value] = key.Line
		job, found := parseCronJob(key, value, zone)
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

// cronFileTop returns the jobs of a file and their default zone. Top-level fields that begin with x-
// are ignored, so that they can contain anchors.
func cronFileTop(text []byte) (jobs *yaml.Node, zone string, problems []string) {
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, "", yamlProblems(err, text)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, "", []string{"expected one YAML document"}
	}
	top := &yaml.Node{}
	if len(doc.Content) > 0 {
		top = resolve(doc.Content[0])
	}
	lines := make(map[string]int)
	for i := 0; top.Kind == yaml.MappingNode && i+1 < len(top.Content); i += 2 {
		key, value := resolve(top.Content[i]), resolve(top.Content[i+1])
		if before, ok := lines[key.Value]; ok {
			problems = append(problems, fmt.Sprintf("line %d: %s is already defined in line %d", key.Line, key.Value, before))
			continue
		}
		lines[key.Value] = key.Line
		switch {
		case key.Value == "jobs":
			jobs = value
		case key.Value == "zone":
			if err := value.Decode(&zone); err != nil {
				problems = append(problems, yamlProblems(err, nil)...)
			} else if _, err := cron.LoadZone(zone); err != nil {
				problems, zone = append(problems, fmt.Sprintf("line %d: zone: %v", value.Line, err)), "UTC"
			}
		case !strings.HasPrefix(key.Value, "x-"):
			problems = append(problems, fmt.Sprintf("line %d: unknown field %q; expected zone, jobs, or a name that begins with x-", key.Line, key.Value))
		}
	}
	if jobs == nil || jobs.Kind != yaml.MappingNode || len(jobs.Content) == 0 {
		return nil, zone, append(problems, `expected named jobs below "jobs:"; see the example in ignis cron run --help`)
	}
	return jobs, zone, problems
}

// jobParser parses one job.
type jobParser struct {
	key, value *yaml.Node
	bad        map[string]bool // lines with values that could not be decoded, such as "line 3"
	problems   []string
}

// wrong adds a problem with a field of the job, or with the job as a whole. It ignores fields that
// could not be decoded, whose problems are already known.
func (p *jobParser) wrong(field, format string, args ...any) {
	line := fmt.Sprintf("line %d", p.line(field))
	if field == "" || !p.bad[line] {
		p.problems = append(p.problems, line+": "+fmt.Sprintf(format, args...))
	}
}

// line returns the line of a field of the job, which may be merged, or the line of the job.
func (p *jobParser) line(field string) int {
	if n := fieldOf(p.value, field); n != nil {
		return n.Line
	}
	return p.value.Line
}

// parseCronJob parses one job, and returns all problems.
func parseCronJob(key, value *yaml.Node, zone string) (cronJob, []string) {
	var f jobFields
	if value.Kind != yaml.MappingNode {
		return cronJob{}, []string{fmt.Sprintf("line %d: expected fields such as pattern: and event:", value.Line)}
	}
	p := jobParser{key: key, value: value, bad: make(map[string]bool), problems: unknownFields(value)}
	if err := value.Decode(&f); err != nil {
		for _, problem := range yamlProblems(err, nil) {
			line, _, _ := strings.Cut(problem, ":")
			p.bad[line] = true
			p.problems = append(p.problems, problem)
		}
		var t *yaml.TypeError
		if !errors.As(err, &t) {
			return cronJob{}, p.problems
		}
	}
	if f.Zone == "" {
		f.Zone = zone
	}
	j := cronJob{line: key.Line}
	p.schedule(&f, &j)
	p.message(&f, &j)
	return j, p.problems
}

// schedule parses the fields about when the job runs.
func (p *jobParser) schedule(f *jobFields, j *cronJob) {
	j.config = cron.Config{
		Name: p.key.Value, Pattern: f.Pattern, ParseOptions: []cron.ParseOption{cron.Extended}, Zone: f.Zone,
		Deadline: time.Duration(f.Deadline), Jitter: time.Duration(f.Jitter), Timeout: time.Duration(f.Timeout),
	}
	if j.config.Timeout == 0 {
		j.config.Timeout = emitTimeout
	}
	if p.key.Value == "" {
		p.wrong("", "the job has no name")
	}
	if _, err := cron.Parse(f.Pattern, j.config.ParseOptions...); err != nil {
		p.wrong("pattern", "%s", strings.TrimPrefix(err.Error(), "cron: "))
	}
	var err error
	if j.zone, err = cron.LoadZone(f.Zone); err != nil {
		p.wrong("zone", "zone: %v", err)
	}
	policies := map[string]cron.Misfire{"": cron.MisfireOnce, "once": cron.MisfireOnce, "all": cron.MisfireAll, "skip": cron.MisfireSkip}
	var ok bool
	if j.config.Misfire, ok = policies[f.Misfire]; !ok {
		p.wrong("misfire", "misfire: expected once, all or skip, but got %q", f.Misfire)
	}
	rest := j.config
	rest.Do = func(context.Context, cron.Run) error { return nil }
	rest.Pattern, rest.Zone = "@daily", "UTC"
	if _, err := cron.New(rest); err != nil {
		p.wrong("", "%s", strings.TrimPrefix(err.Error(), "cron: Config."))
	}
}

// message parses the fields about what the job emits.
func (p *jobParser) message(f *jobFields, j *cronJob) {
	j.message = emitter.Message{Event: f.Event, Exclude: f.Exclude}
	data, problems := jsonData(&f.Data)
	for _, problem := range problems {
		line, text, ok := strings.Cut(problem, ": ")
		if !ok {
			line, text = fmt.Sprintf("line %d", p.line("data")), problem
		}
		p.problems = append(p.problems, line+": data: "+text)
	}
	if data != nil && problems == nil {
		j.message.Data = data
	}
	event := emitter.Message{To: wire.ToEveryone(), Event: f.Event}
	if err := event.Check(); err != nil {
		p.wrong("event", "%v", err)
	}
	var err error
	if j.message.To, err = f.address(); err != nil {
		p.wrong("", "%v", err)
	}
	if len(p.problems) == 0 {
		if err := j.message.Check(); err != nil {
			p.wrong("exclude", "%v", err)
		}
	}
}

// address returns the address of the message.
func (f *jobFields) address() (to wire.Address, err error) {
	n := 0
	for _, t := range []struct {
		name *string
		to   func(string) wire.Address
	}{{f.Room, wire.ToRoom}, {f.User, wire.ToUser}, {f.Client, wire.ToClient}} {
		if t.name != nil {
			to = t.to(*t.name)
			n++
		}
	}
	if f.Everyone {
		to = wire.ToEveryone()
		n++
	}
	if n != 1 {
		return to, errors.New("expected one of room, user, client and everyone: true")
	}
	return to, nil
}

// unknownFields returns a problem for each unknown field of a job.
func unknownFields(n *yaml.Node) (problems []string) {
	t := reflect.TypeFor[jobFields]()
	var known []string
	for i := range t.NumField() {
		known = append(known, strings.ToLower(t.Field(i).Name))
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := resolve(n.Content[i]); k.ShortTag() != "!!merge" && !slices.Contains(known, k.Value) {
			problems = append(problems, fmt.Sprintf("line %d: unknown field %q; expected one of %s", k.Line, k.Value, strings.Join(known, ", ")))
		}
	}
	return problems
}
