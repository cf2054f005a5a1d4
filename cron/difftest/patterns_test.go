package difftest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// bounds are those of the six fields.
var bounds = [6][2]int{{0, 59}, {0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}}

var names = map[int][]string{
	4: {"jan", "FEB", "Mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"},
	5: {"sun", "MON", "Tue", "wed", "thu", "fri", "sat"},
}

var macros = []string{"@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@annually", "@midnight", "@every 90s", "@every 1h", "@Daily"}

// pattern makes a pattern of what the libraries have in common, and now and then one that
// is just outside of it.
func pattern(rng *rand.Rand) string {
	if rng.IntN(50) == 0 {
		return macros[rng.IntN(len(macros))]
	}
	first := 1 - rng.IntN(2) // five fields or six
	var list []string
	for i := first; i < 6; i++ {
		list = append(list, field(rng, i))
	}
	return strings.Join(list, " ")
}

func field(rng *rand.Rand, i int) string {
	if rng.IntN(3) == 0 {
		return "*"
	}
	n := 1
	if rng.IntN(4) == 0 {
		n += 1 + rng.IntN(3)
	}
	var list []string
	for range n {
		list = append(list, element(rng, i))
	}
	return strings.Join(list, ",")
}

func element(rng *rand.Rand, i int) string {
	low, high := bounds[i][0], bounds[i][1]
	span := high - low + 1
	a, b := low+rng.IntN(span), low+rng.IntN(span)
	if a > b && rng.IntN(40) > 0 {
		a, b = b, a
	}
	step := 1 + rng.IntN(span)
	switch rng.IntN(60) {
	case 0:
		step = 0
	case 1:
		step += span
	case 2:
		b = high + 1
	}
	switch rng.IntN(8) {
	case 0:
		return fmt.Sprintf("*/%d", step)
	case 1:
		return fmt.Sprintf("%d/%d", a, step)
	case 2:
		return fmt.Sprintf("%d-%d/%d", a, b, step)
	case 3:
		return fmt.Sprintf("%d-%d", a, b)
	case 4:
		if list := names[i]; list != nil {
			return list[rng.IntN(len(list))]
		}
	case 5:
		if list := names[i]; list != nil {
			a, b := rng.IntN(len(list)), rng.IntN(len(list))
			return list[min(a, b)] + "-" + list[max(a, b)]
		}
	case 6:
		return fmt.Sprintf("%d-%d", low, high)
	}
	return fmt.Sprint(a)
}
