// Package systemd connects the program with the service manager that has started it. It reports
// the state of the service (sd_notify) and takes over the sockets that systemd listens on
// (sd_listen_fds). Without systemd, it does nothing.
package systemd
