module github.com/ignis-go/ignis/cron/difftest

go 1.26.0

require (
	github.com/adhocore/gronx v1.20.4
	github.com/ignis-go/ignis v0.0.0
	github.com/netresearch/go-cron v0.9.1
	github.com/robfig/cron/v3 v3.0.1
)

replace github.com/ignis-go/ignis => ../../
