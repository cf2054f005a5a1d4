// Package difftest contains tests that compare the schedules of package cron with those of three
// other libraries. README.md lists the differences.
package difftest
