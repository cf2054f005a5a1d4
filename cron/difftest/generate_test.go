package difftest

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// source makes choices from a sequence of bytes. The same bytes lead to the same choices. When no
// bytes are left, it makes the first choice.
type source []byte

// n returns a number in [0, limit). The limit must not exceed 65,536.
func (s *source) n(limit int) int {
	v := 0
	for range 2 {
		if len(*s) > 0 {
			v, *s = v<<8|int((*s)[0]), (*s)[1:]
		}
		if limit <= 256 {
			break
		}
	}
	return v % limit
}

// rarely returns true once in the given number of times.
func (s *source) rarely(times int) bool { return s.n(times) == times-1 }

func (s *source) oneOf(list ...string) string { return list[s.n(len(list))] }

// randomBytes returns enough bytes for any pattern and instant.
func randomBytes(r *rand.Rand) []byte {
	b := make([]byte, 160)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// instant returns an instant in UTC from 1990 to 2090, often near the end of a month.
func (s *source) instant() time.Time {
	t := time.Date(1990+s.n(101), time.Month(1+s.n(12)), 1, 0, 0, 0, 0, time.UTC)
	if s.rarely(4) {
		return t.Add(-time.Duration(s.n(3)) * time.Second)
	}
	t = t.AddDate(0, 0, s.n(31)).Add(time.Duration(s.n(86400/2)*2+s.n(2)) * time.Second)
	if s.rarely(4) {
		t = t.Add(time.Duration(1 + s.n(60_000)*16_000))
	}
	return t
}

// pattern returns a pattern that is usually valid.
func (s *source) pattern() string {
	switch {
	case s.rarely(16):
		return s.macro()
	case s.rarely(8):
		return strings.Join(s.rareDate(), " ")
	}
	words := make([]string, 0, 7)
	for f := s.n(2); f < 6; f++ {
		words = append(words, s.field(f))
	}
	switch s.n(64) {
	case 61:
		words = words[len(words)-4:]
	case 62:
		words = append(words[len(words)-5:], "2030")
	case 63:
		words = append(append([]string{"0"}, words[len(words)-5:]...), s.oneOf("*", "2030"))
	}
	if !s.rarely(8) {
		return strings.Join(words, " ")
	}
	var b strings.Builder
	b.WriteString(s.oneOf("", " ", "\t", "\n", "\v"))
	for i, w := range words {
		if i > 0 {
			b.WriteString(s.oneOf(" ", "  ", "\t", "\t ", "\n", "\r\n", "\f"))
		}
		b.WriteString(w)
	}
	b.WriteString(s.oneOf("", " ", "\t", "\n", "\f"))
	return b.String()
}

// rareDate returns the fields of a schedule that is due on few days or on none.
func (s *source) rareDate() []string {
	return []string{
		strconv.Itoa(s.n(60)),
		strconv.Itoa(s.n(24)),
		s.oneOf("29", "30", "31", "29-31", "28/1", "*/28", "31/5", "30,31"),
		s.oneOf("2", "feb", "2", "2,4", "4,6,9,11", "*/7", "2/4"),
		s.oneOf("*", "0-6", "*", "1-7", "*/1", "1", "mon", "*/6"),
	}
}

func (s *source) macro() string {
	word := s.oneOf("@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@annually", "@midnight",
		"@secondly", "@minutely", "@weekdays", "@weekends", "@every", "@every", "@every", "@every",
		"@always", "@5minutes", "@everysecond", "@reboot", "TZ=UTC", "CRON_TZ=UTC")
	switch word {
	case "@every":
		word += s.oneOf(" ", " ", " ", " ", "  ", "\t", "") +
			s.oneOf("90s", "1s", "1h30m", "24h", "1m", "45s", "7h", "1500ms", "500ms", "0s", "-5s", "5", "1d", "")
	case "TZ=UTC", "CRON_TZ=UTC":
		return word + s.oneOf(" 0 0 * * *", " 30 2 1 1 *", "")
	}
	switch s.n(12) {
	case 9:
		word = strings.ToUpper(word[:2]) + word[2:]
	case 10:
		word = s.oneOf(" ", "\t", "\n") + word
	case 11:
		word += s.oneOf(" ", "\t", "\n", " 5")
	}
	return word
}

func (s *source) field(f int) string {
	switch s.n(8) {
	case 0, 1, 2:
		return "*"
	case 3:
		if s.rarely(16) {
			return s.oneOf("*/", "1/", "1-5/") + "99999999999999999999"
		}
	case 4, 5:
		list := make([]string, 1+s.n(4))
		for i := range list {
			list[i] = s.item(f)
		}
		return strings.Join(list, ",")
	}
	return s.item(f)
}

// item returns an item of a list.
func (s *source) item(f int) string {
	switch s.n(8) {
	case 0, 1:
		return s.value(f)
	case 2, 3:
		return s.span(f)
	case 4:
		return "*/" + s.step(f)
	case 5:
		return s.span(f) + "/" + s.step(f)
	case 6:
		return s.value(f) + "/" + s.step(f)
	}
	if s.rarely(16) {
		return s.oneOf("", "?", "+5", "*-5", "1-2-3", "L", "15W", "5L", "5#2", "x", "5x", "1/2/3", "-5", "5-", "*/", "/5", "--", "H", "5/x", "**")
	}
	return s.oneOf("*", "*/1", "*", whole(f))
}

// whole returns a range of all values of a field.
func whole(f int) string {
	return strconv.FormatUint(bounds[f][0], 10) + "-" + strconv.FormatUint(bounds[f][1], 10)
}

func (s *source) span(f int) string {
	a, b := s.number(f), s.number(f)
	if a > b && !s.rarely(16) {
		a, b = b, a
	}
	return s.spell(f, a) + "-" + s.spell(f, b)
}

func (s *source) value(f int) string { return s.spell(f, s.number(f)) }

// number returns a value of a field, and occasionally one that is out of range.
func (s *source) number(f int) int {
	least, largest := int(bounds[f][0]), int(bounds[f][1])
	switch s.n(96) {
	case 94:
		return 0
	case 95:
		return largest + 1 + s.n(99-largest)
	}
	return least + s.n(largest-least+1)
}

// spell writes a number in digits or as a name.
func (s *source) spell(f, n int) string {
	weekdays, months := strings.Fields(weekdayNames), strings.Fields(monthNames)
	as := s.n(256)
	switch {
	case as == 255 && n < 7, f == dayOfWeek && n < 7 && as > 170:
		return s.letters(weekdays[n])
	case as == 254 && n > 0 && n < 13, f == month && n > 0 && n < 13 && as > 170:
		return s.letters(months[n-1])
	case as < 8:
		return "0" + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}

func (s *source) letters(name string) string {
	switch s.n(3) {
	case 1:
		return strings.ToUpper(name)
	case 2:
		return strings.ToUpper(name[:1]) + name[1:]
	}
	return name
}

func (s *source) step(f int) string {
	largest := int(bounds[f][1])
	switch s.n(32) {
	case 30:
		return strconv.Itoa(largest + s.n(100))
	case 31:
		return s.oneOf("0", "00", "1", "01")
	}
	return strconv.Itoa(1 + s.n(max(2, largest/2)))
}
