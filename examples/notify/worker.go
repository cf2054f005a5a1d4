package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/emitter"
)

// The reports. The last two show what happens if something goes wrong.
const (
	sales     = "Sales by region"
	customers = "Customers, from a slow archive"
	audit     = "Audit log of 2019"
)

var reports = []string{sales, customers, audit}

// Worker makes reports, and tells the users how far they are.
type Worker struct {
	Queue *Queue
	Inbox *Inbox
	To    *emitter.Emitter
	Name  string
	Step  time.Duration // a tenth of the time that a report takes
}

// Run works until ctx is done.
func (w *Worker) Run(ctx context.Context) error {
	log.Printf("worker %s is waiting for jobs", w.Name)
	return w.Queue.Work(ctx, w.Name, w.report, func(ctx context.Context, j Job) {
		w.tell(ctx, j, Status{State: "failed", Detail: fmt.Sprintf("%d attempts have failed", w.Queue.Attempts)})
		w.notify(ctx, j, Notice{Title: j.Report + " has failed", Text: "We have been told, and will look into it.", Bad: true})
	})
}

// report stands in for something that takes long and may fail.
func (w *Worker) report(ctx context.Context, j Job, attempt int) error {
	log.Printf("worker %s: %q for %s, attempt %d", w.Name, j.Report, j.User, attempt)
	for percent := 0; percent < 100; percent += 10 {
		w.tell(ctx, j, Status{State: "running", Percent: percent, Detail: "on worker " + w.Name})
		if !pause(ctx, w.Step) {
			return ctx.Err()
		}
		if percent == 50 && (j.Report == audit || j.Report == customers && attempt == 1) {
			w.tell(ctx, j, Status{State: "retrying", Percent: percent, Detail: fmt.Sprintf("attempt %d has failed", attempt)})
			return errors.New("the archive does not answer")
		}
	}
	w.tell(ctx, j, Status{State: "done", Percent: 100, Detail: "ready"})
	w.notify(ctx, j, Notice{Title: j.Report + " is ready", Text: "Download it within seven days."})
	return nil
}

// tell stores how far a job is, and tells the user.
func (w *Worker) tell(ctx context.Context, j Job, s Status) {
	s.ID, s.Report = j.ID, j.Report
	err := w.Inbox.SetStatus(ctx, j.User, s)
	w.log(errors.Join(err, w.To.Send(ctx, ignis.ToUser(j.User), "job", s)))
}

// notify stores a notice and sends it. A job may run twice, but its notice has the same ID.
func (w *Worker) notify(ctx context.Context, j Job, n Notice) {
	n.ID, n.At = j.ID, time.Now().UTC()
	added, err := w.Inbox.Add(ctx, j.User, n)
	if added {
		err = w.To.Send(ctx, ignis.ToUser(j.User), "notice", n)
	}
	w.log(err)
}

func (w *Worker) log(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		log.Printf("worker %s: %s", w.Name, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
}
