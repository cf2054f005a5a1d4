package main

import (
	"fmt"
	"math"
	"strconv"
)

// digits formats a number with at most three significant digits and without an exponent.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case a >= 99.95 || v == 0:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 0.0995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
}

// scaled formats a number with the largest unit for which its value is at least 1.
func scaled(v, base float64, units ...string) string {
	i := 0
	for i < len(units)-1 && math.Abs(v) >= base*0.9995 {
		v /= base
		i++
	}
	return digits(v) + units[i]
}

func countText(v float64) string { return scaled(v, 1000, "", " k", " M", " G") }

func rateText(v float64) string { return countText(v) + "/s" }

func bytesText(v float64) string { return scaled(v, 1024, " B", " KB", " MB", " GB") }

func microsText(seconds float64) string { return digits(seconds*1e6) + " µs" }

func millisText(seconds float64) string { return digits(seconds*1e3) + " ms" }

func timesText(ratio float64) string { return digits(ratio) + " ×" }

func percentText(share float64) string { return fmt.Sprintf("%.0f %%", share*100) }
