package promignis

// Family is a metric for tests.
type Family struct {
	Name, Kind, Help string
	Labels           []string
}

// Group is a part of the table of metrics in the documentation.
type Group struct {
	Title    string
	Families []Family
}

// Groups returns all metrics.
func Groups() []Group {
	return []Group{
		{"Program", list(buildFamilies)},
		{"Connections and clients", list(serverFamilies)},
		{"Connections and clients, from hooks", list(eventFamilies)},
		{"Messages", list(messageFamilies)},
		{"Bus", list(busFamilies)},
		{"Redis", list(redisFamilies)},
		{"Keys of tokens", list(tokenFamilies)},
		{"Access rules", append(list(accessFamilies), list(ruleFamilies)...)},
		{"Webhook", list(webhookFamilies)},
		{"Jobs", list(jobFamilies)},
		{"Listeners", list(listeningFamilies)},
	}
}

func list[S any](families []family[S]) (all []Family) {
	for _, f := range families {
		all = append(all, Family{prefix + f.name, string(f.kind), f.help, f.labels})
	}
	return all
}

// Reason returns the label of a field of ignis.Stats whose name begins with Refused.
var Reason = snake

// MaxValues is the maximum number of values of a label that the application chooses.
const MaxValues = maxValues
