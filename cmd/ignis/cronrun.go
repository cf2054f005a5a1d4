package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/cron/rediscron"
	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/internal/logarea"
	"github.com/ignis-go/ignis/promignis"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

const cronFileHelp = `The file is YAML:

  zone: Europe/Paris             # default zone of the jobs, overrides --tz
  jobs:
    opening:                     # name, unique within this --prefix
      pattern: 0 9 * * mon-fri   # a pattern that starts with * or @ needs quotes
      room: lobby                # or user: ID, client: ID, everyone: true
      event: notice
      data: {text: Good morning}

Other top-level fields must begin with x-. They can define anchors that jobs refer to. Numbers in data must be valid in JSON, so 007 needs quotes.

Optional fields of a job:

  zone       time zone of this job
  exclude    list of client IDs that do not receive the event
  misfire    what to do about times that were missed because no process could
             run the job: once (run it for the newest one, the default),
             all, or skip
  deadline   how late the job may run (1h)
  jitter     upper limit of a fixed delay that differs between jobs (none)
  timeout    how long sending may take (30s)`

// cronFileArgs are the arguments that run and check have in common.
type cronFileArgs struct {
	File string `arg:"" help:"File with the jobs."`
	TZ   string `name:"tz" placeholder:"ZONE" help:"Default time zone of the jobs if the file has none, such as Europe/Paris (the local time zone)."`
}

func (c *cronFileArgs) load() ([]cronJob, error) {
	if c.TZ != "" {
		if _, err := zone(c.TZ); err != nil {
			return nil, err
		}
	}
	return readCronFile(c.File, c.TZ)
}

// explainFile prints each problem of a file on a separate line, and returns the error of the
// command.
func explainFile(w io.Writer, err error) error {
	var bad *cronFileError
	if !errors.As(err, &bad) {
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
			return usage("", "%w", err)
		}
		return err
	}
	for _, p := range bad.problems {
		fmt.Fprintf(w, "%s: %s\n", bad.name, oneLine(p))
	}
	return usage("nothing was done; see ignis cron run --help for the format of the file", "%s: %s", bad.name, plural(len(bad.problems), "problem"))
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// cronCheckCmd checks a file.
type cronCheckCmd struct{ cronFileArgs }

// Help returns what --help shows below the summary.
func (cronCheckCmd) Help() string { return cronFileHelp }

// Run prints when each job runs next.
func (c *cronCheckCmd) Run(_ context.Context, _ *kong.Context, std *stdio) error {
	jobs, err := c.load()
	if err != nil {
		return explainFile(std.err, err)
	}
	w := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "JOB\tNEXT\tEVENT\tTO\tSCHEDULE")
	for i := range jobs {
		j := &jobs[i]
		s, err := cron.Parse(j.config.Pattern, j.config.ParseOptions...)
		if err != nil {
			return err
		}
		loc, err := zone(j.config.Zone)
		if err != nil {
			return err
		}
		next := s.Next(time.Now().In(loc)).Format("Mon 2006-01-02 15:04:05 MST")
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", j.config.Name, next, j.message.Event, j.to(), s.Explain())
	}
	return w.Flush()
}

// to describes the address of the job's message.
func (j *cronJob) to() string {
	return strings.TrimSpace(string(j.message.To.Type) + " " + j.message.To.Name)
}

// cronRunCmd runs the jobs of a file.
type cronRunCmd struct {
	cronFileArgs
	Redis string `placeholder:"URL" help:"Redis of the servers (redis://127.0.0.1:6379). See ignis serve --help for other forms. Other users of the machine can read arguments, so for a URL with a password use --redis-file or the environment."`
	redisFlags
	Durable bool `help:"Assume that Redis loses no data when it restarts or fails over. Without this, the times around a restart may be skipped, so that no event is emitted twice."`

	LogFormat string     `default:"text" enum:"text,json" group:"Log" placeholder:"text|json" help:"Format of the log, which is written to standard error (${default})."`
	LogLevel  slog.Level `default:"info" group:"Log" placeholder:"LEVEL" help:"Minimum level of log messages: debug, info, warn or error (${default})."`
	LogLevels cronLevels `group:"Log" placeholder:"AREA=LEVEL,..." help:"Levels of areas that differ from --log-level, such as redis=debug. Areas are program, cron, redis and http."`

	cronMetrics
}

// Help returns what --help shows below the summary.
func (cronRunCmd) Help() string {
	return `Run it in as many processes as you need for reliability, each with the same file. Each time a job is due, one of them emits its event. The clock of Redis is authoritative. Applications that share a Redis need different prefixes, because otherwise jobs with the same name take each other's times.

` + cronFileHelp + `

The whole file is checked before any job starts. On SIGHUP it is read again, and jobs that have changed, or whose time zone has new rules, are replaced. If the new file has errors, all jobs continue as before. SIGTERM shuts down gracefully; a second SIGTERM ends the program immediately. The log contains each event that was emitted, and each that was not, with the reason.

Examples:

  ignis cron check jobs.yaml

  ignis cron run jobs.yaml --redis redis://10.0.0.5:6379 --tz Europe/Paris`
}

// handlesHangup implements hangupHandler: SIGHUP reloads the file.
func (*cronRunCmd) handlesHangup() {}

// Run runs the jobs until ctx is done.
func (c *cronRunCmd) Run(ctx context.Context, _ *kong.Context, std *stdio) error {
	jobs, err := c.cronFileArgs.load()
	if err != nil {
		return explainFile(std.err, err)
	}
	levels := logarea.NewLevels()
	levels.Set(c.LogLevel, c.LogLevels.byArea)
	base, announce := newAreaLogger(std, c.LogFormat, levels, c.File)
	log := logarea.With(base, logarea.Program)
	redis, err := c.redisFlags.load(c.Redis, localRedis, logarea.With(base, logarea.Redis))
	if err != nil {
		return err
	}
	redis.Name = "ignis-cron"
	store, err := rediscron.New(rediscron.Config{Redis: &redis, Durable: c.Durable})
	if err != nil {
		if errors.Is(err, rediscron.ErrConfig) {
			return usage("", "%w", err)
		}
		return redisError(err)
	}
	defer store.Close()
	announce()
	recorder := promignis.NewRecorder()
	closeMetrics, err := c.cronMetrics.serve(ctx, recorder, base)
	if err != nil {
		return err
	}
	defer closeMetrics()
	waiting := time.AfterFunc(startNotice, func() { log.Warn("waiting for Redis; no jobs are running yet") })
	bus, err := redisbus.Dial(ctx, redis)
	waiting.Stop()
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return redisError(err)
	}
	defer bus.Close()
	to, err := emitter.New(bus, emitter.Config{})
	if err != nil {
		return err
	}

	f := cronFile{args: c.cronFileArgs, store: store, emitter: to, recorder: recorder, log: logarea.With(base, logarea.Cron), jobs: make(map[string]*runningJob)}
	if err := f.apply(jobs); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- f.scheduler.Run(ctx) }()
	if _, err := fmt.Fprintf(std.out, "running %s of %s\n", plural(len(jobs), "job"), c.File); err != nil {
		log.Warn("could not write to standard output", "error", err)
	}
	for {
		select {
		case <-std.hangups:
			f.reload()
		case err := <-done:
			return err
		}
	}
}

// cronFile is a file whose jobs are running.
type cronFile struct {
	args      cronFileArgs
	store     cron.Store
	emitter   *emitter.Emitter
	recorder  *promignis.Recorder
	log       *slog.Logger
	scheduler cron.Scheduler
	jobs      map[string]*runningJob
}

type runningJob struct {
	cronJob
	job *cron.Job
}

// reload reads the file again. If it has errors, the running jobs are left unchanged.
func (f *cronFile) reload() {
	jobs, err := f.args.load()
	if err == nil {
		err = f.apply(jobs)
	}
	var bad *cronFileError
	switch {
	case errors.As(err, &bad):
		for _, p := range bad.problems {
			f.log.Error("could not reload the file; the jobs continue unchanged", "file", bad.name, "problem", p)
		}
	case err != nil:
		f.log.Error("could not reload the file; the jobs continue unchanged", "error", err)
	}
}

// apply replaces the running jobs. Jobs that have not changed are left alone, and runs in progress of
// those that have changed continue.
func (f *cronFile) apply(jobs []cronJob) error {
	fresh := make(map[string]*runningJob)
	for _, j := range jobs {
		name := j.config.Name
		if old := f.jobs[name]; old != nil && old.same(&j) {
			fresh[name] = old
			continue
		}
		job, err := f.newJob(j)
		if err != nil {
			return err
		}
		fresh[name] = &runningJob{j, job}
	}
	var added, changed, removed int
	for name, old := range f.jobs {
		if fresh[name] != old {
			f.scheduler.Remove(old.job)
			if fresh[name] == nil {
				removed++
			} else {
				changed++
			}
		}
	}
	for _, j := range jobs {
		n := fresh[j.config.Name]
		old := f.jobs[j.config.Name]
		if n == old {
			continue
		}
		if old == nil {
			added++
		}
		if err := f.scheduler.Add(n.job); err != nil {
			return err
		}
		f.log.Info("job scheduled", "job", j.config.Name, "next", n.job.Schedule().Next(f.now(j.config.Zone)), "event", j.message.Event, "to", j.to())
	}
	f.jobs = fresh
	f.log.Info("jobs loaded", "file", f.args.File, "jobs", len(fresh), "added", added, "changed", changed, "removed", removed)
	return nil
}

func (f *cronFile) now(name string) time.Time {
	loc, err := zone(name)
	if err != nil {
		loc = time.Local // cannot happen: newJob has checked the zone
	}
	return time.Now().In(loc)
}

// newJob returns a job that emits the message of j.
func (f *cronFile) newJob(j cronJob) (*cron.Job, error) {
	c := j.config
	c.Store, c.Logger, c.Overlap = f.store, f.log, cron.OverlapQueue
	what, err := json.Marshal(j.message)
	if err != nil {
		return nil, err
	}
	c.Fingerprint = string(what)
	c.Do = func(ctx context.Context, r cron.Run) error {
		m := &j.message
		if err := f.emitter.Send(ctx, m.To, m.Event, m.Data, wire.Except(m.Exclude...)); err != nil {
			return err
		}
		f.log.Info("emitted", "job", r.Job, "scheduled", r.Scheduled, "lag", r.Lag().Round(time.Millisecond),
			"event", j.message.Event, "to", j.to(), "late", r.Misfire)
		return nil
	}
	return cron.New(f.recorder.Job(c))
}
