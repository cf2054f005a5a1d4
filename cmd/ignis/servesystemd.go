package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/ignis-go/ignis/internal/app"
	"github.com/ignis-go/ignis/internal/systemd"
)

// takeService takes over what systemd has passed to the program, and adds the sockets to cfg.
func takeService(cfg *app.Config) (*systemd.Service, error) {
	s, err := systemd.Take()
	if err != nil {
		return nil, usage("these variables are set by systemd; unset them to start the program by hand", "%w", err)
	}
	cfg.Sockets = append([]systemd.Socket{}, s.Sockets...) // not nil, even if there are none
	return s, nil
}

// statusInterval is the longest time between two reports of the status.
const statusInterval = 5 * time.Second

// manager reports to the service manager, if there is one. It must be created before the app runs.
type manager struct {
	service *systemd.Service
	started <-chan struct{}   // closed when the app accepts clients
	report  func() app.Report // of the app
	log     *slog.Logger
	failed  sync.Once // guards the log line about a manager that cannot be reached
}

func newManager(s *systemd.Service, a *app.App, log *slog.Logger) *manager {
	return &manager{service: s, started: a.Started(), report: a.Report, log: log}
}

// start reports to the service manager until the function that it returns is called. It reports
// that the service stops when ctx is done.
func (m *manager) start(ctx context.Context) (end func()) {
	if m.service.Notifier == nil {
		return func() {}
	}
	reporting, stop := context.WithCancel(context.WithoutCancel(ctx)) // the watchdog also watches the shutdown
	detach := context.AfterFunc(ctx, m.stopping)
	var loop sync.WaitGroup
	loop.Go(func() { m.run(reporting) })
	return func() {
		detach()
		stop()
		loop.Wait()
		m.stopping()
	}
}

// run reports the status and feeds the watchdog until ctx is done. Both need an answer of the
// app, so a deadlock in it leads to a restart. Connections to its own address would not show more,
// but could be refused by a server that is only full.
func (m *manager) run(ctx context.Context) {
	interval := statusInterval
	if w := m.service.Watchdog; w > 0 {
		interval = min(interval, w/2)
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	started, ready := m.started, false
	for {
		if ready { // until it has been sent
			err := m.service.Notifier.Ready()
			m.check(err)
			ready = err != nil
		}
		r := m.report()
		m.check(m.service.Notifier.Status(statusText(r)))
		if r.Draining { // by the API or another instance
			m.stopping()
		}
		if m.service.Watchdog > 0 {
			m.check(m.service.Notifier.Alive())
		}
		select {
		case <-started:
			started, ready = nil, true
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// reload calls f and reports that the configuration is being reloaded meanwhile.
func (m *manager) reload(f func()) {
	reported, err := m.service.Notifier.Reloading()
	m.check(err)
	f()
	if reported {
		m.check(m.service.Notifier.Ready())
	}
}

// stopping reports, once, that the service shuts down.
func (m *manager) stopping() { m.check(m.service.Notifier.Stopping()) }

// check logs the first error.
func (m *manager) check(err error) {
	if err != nil {
		m.failed.Do(func() { m.log.Warn("could not report to the service manager", "error", err) })
	}
}

// statusText returns the text that systemctl status shows.
func statusText(r app.Report) string {
	text := r.Status
	if len(r.Failing) > 0 {
		text += " (" + strings.Join(r.Failing, ", ") + ")"
	}
	if r.Clients == 1 {
		return text + ": 1 client"
	}
	return fmt.Sprintf("%s: %d clients", text, r.Clients)
}
