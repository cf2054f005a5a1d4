package cron_test

import (
	"fmt"
	"log"
	"time"

	"github.com/ignis-go/ignis/cron"
)

func ExampleSchedule_Next() {
	s, err := cron.Parse("30 2 * * *")
	if err != nil {
		log.Fatal(err)
	}
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		log.Fatal(err)
	}
	// On 30 March 2025 the clocks go from 02:00 to 03:00.
	for _, at := range s.NextN(time.Date(2025, 3, 29, 0, 0, 0, 0, paris), 3) {
		fmt.Println(at)
	}
	// Output:
	// 2025-03-29 02:30:00 +0100 CET
	// 2025-03-30 03:00:00 +0200 CEST
	// 2025-03-31 02:30:00 +0200 CEST
}

func ExampleSchedule_Explain() {
	fmt.Println(cron.MustParse("*/10 8-17 * * mon-fri").Explain())
	// Output: Every 10th minute, in hours 8 to 17, on Monday to Friday
}

func ExampleParse_extended() {
	s, err := cron.Parse("0 9 LW * *", cron.Extended) // the last weekday of the month
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Next(time.Date(2025, 8, 1, 0, 0, 0, 0, time.UTC)))
	// Output: 2025-08-29 09:00:00 +0000 UTC
}
