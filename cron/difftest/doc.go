// Package difftest holds no code, only tests: they compare the schedules of package
// cron with those of three other libraries, and README.md says where they differ.
package difftest
