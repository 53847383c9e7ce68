// Package cost computes what a month of a configuration costs on Google Cloud, from how many
// operations an event, a message and a sweep take. docs/deploy.md says where each of them
// comes from. It reads nothing and calls nobody.
package cost

import (
	"fmt"
	"math"
	"strconv"

	"github.com/headgate/headgate/config"
)

// Load is the traffic of a service in a month.
type Load struct {
	Events     float64 // in the month
	PerMessage float64 // how many of them a message has
	Bytes      float64 // of an event's body
	Millis     float64 // that an instance works on an event
}

// Line is one product of the arithmetic: quantity × price.
type Line struct {
	Item     string  `json:"item"`
	Why      string  `json:"why"`
	Quantity float64 `json:"quantity"`
	Unit     string  `json:"unit"`
	Price    float64 `json:"price"` // in dollars, of per units
	Per      float64 `json:"per"`
	Dollars  float64 `json:"dollars"`
}

// price is a list price in dollars, for so many units.
type price struct {
	dollars, per float64
	unit         string
}

// tariff are the list prices of a place. Free quotas are not deducted.
type tariff struct{ read, write, remove, stored price }

// The list prices of us-central1 (of Firestore also of a multi-region), as docs/deploy.md
// states them: https://cloud.google.com/firestore/pricing, and the same for pubsub, run,
// tasks and scheduler.
var (
	oneRegion   = tariff{price{0.03, 1e5, "read"}, price{0.09, 1e5, "write"}, price{0.01, 1e5, "delete"}, price{0.15, 1, "GB"}}
	multiRegion = tariff{price{0.06, 1e5, "read"}, price{0.18, 1e5, "write"}, price{0.02, 1e5, "delete"}, price{0.18, 1, "GB"}}
	throughput  = price{40, 1024, "GiB"}
	request     = price{0.40, 1e6, "request"}
	processor   = price{0.000024, 1, "vCPU second"}
	memory      = price{0.0000025, 1, "GiB second"}
	task        = price{0.40, 1e6, "task"}
	job         = price{0.10, 1, "job"}
)

const (
	minutes  = 43_200  // of a month of 30 days, in which the sweep is called once each
	overhead = 1500    // bytes that an event has beside its body: headers, names, sizes
	part     = 1 << 20 // bytes of a body in one document
	idle     = 4       // reads of a sweep, without those of its endpoints
	most     = 60      // events that a check reads beyond those that an endpoint needs
)

// Typical returns how many events a message has if each endpoint sends what it needs.
func Typical(svc config.Service) float64 {
	n := 0
	for _, e := range svc.Endpoints {
		if !e.Optional {
			n += e.MinNbOfOccurrence
		}
	}
	return float64(max(n, 1))
}

// Month returns the lines of a service's month.
func Month(svc config.Service, load Load, multi bool) []Line {
	t := oneRegion
	if multi {
		t = multiRegion
	}
	endpoints := float64(len(svc.Endpoints))
	messages := load.Events / load.PerMessage
	extra := math.Floor(load.Bytes / part) // documents of a body beyond the first
	reads, why := checks(svc, load.PerMessage)
	targets := float64(len(svc.AllTargets()))
	var lines []Line
	add := func(item, why string, quantity float64, p price) {
		lines = append(lines, Line{item, why, quantity, p.unit, p.dollars, p.per, quantity / p.per * p.dollars})
	}
	add("events: writes", fmt.Sprintf("%s × (event, pointer%s)", number(load.Events), documents(extra)), load.Events*(2+extra), t.write)
	add("events: deletes", "pointer by the claim, event when it expires"+documents(extra), load.Events*(2+extra), t.remove)
	add("checks: reads", why, messages*reads, t.read)
	perMessage := 2.0
	if targets > 1 {
		perMessage += targets
	}
	add("messages: writes", fmt.Sprintf("%s × (claim, published%s)", number(messages), several(targets)), messages*perMessage, t.write)
	add("messages: deletes", "claim when it expires", messages, t.remove)
	if svc.Timers != nil {
		add("timers: tasks", "one for each window that waits for its end", messages, task)
	}
	add("sweep: reads", fmt.Sprintf("%s minutes × (%d + 2 × %s endpoints)", number(minutes), idle, number(endpoints)), minutes*(idle+2*endpoints), t.read)
	add("sweep: job", "Cloud Scheduler", 1, job)
	window := float64(svc.Trigger.ObservationPeriod) / 86_400
	days := max(1, window) + max(float64(svc.RetentionDays), window) + 1
	add("storage", fmt.Sprintf("events of %s days × (%s + %d bytes)", number(days), number(load.Bytes), overhead), load.Events/30*days*(load.Bytes+overhead)/1e9, t.stored)
	add("Pub/Sub", "published and delivered once, with headers", 2*messages*load.PerMessage*(load.Bytes+overhead/2)/(1<<30), throughput)
	add("Cloud Run: requests", "one for each event", load.Events, request)
	seconds := load.Events * load.Millis / 1000
	add("Cloud Run: CPU", fmt.Sprintf("%s ms for each event, as if no two shared an instance", number(load.Millis)), seconds, processor)
	add("Cloud Run: memory", "1 GiB", seconds, memory)
	return lines
}

// checks returns how many reads the checks of a message's n events take, and why.
func checks(svc config.Service, n float64) (reads float64, why string) {
	k := float64(len(svc.Endpoints))
	if !svc.KeepsSets() {
		// The event that completes the window reads all endpoints. The others look at one that
		// lacks events.
		return k + max(n-1, 0), "an event reads one endpoint that lacks events; once in a message, all of them"
	}
	var needed, queries float64
	for _, e := range svc.Endpoints {
		needed += float64(e.MinNbOfOccurrence + most)
		queries++
		if e.Distinct != "" {
			queries++
		}
	}
	for waiting := 1.0; waiting <= n && waiting <= 1e6; waiting++ { // those beyond a million read what the last one does
		reads += max(queries, min(waiting, needed))
	}
	reads += max(n-1e6, 0) * max(queries, min(n, needed))
	return reads + n, "an event reads those of its key, or once for each endpoint; a release reads all of them"
}

// Sum adds up the lines.
func Sum(lines []Line) (dollars float64) {
	for _, l := range lines {
		dollars += l.Dollars
	}
	return dollars
}

func documents(extra float64) string {
	if extra == 0 {
		return ""
	}
	return fmt.Sprintf(", %s more documents of a large body", number(extra))
}

func several(targets float64) string {
	if targets <= 1 {
		return ""
	}
	return fmt.Sprintf(", answers of %s targets", number(targets))
}

// number writes a number with at most one decimal.
func number(n float64) string { return strconv.FormatFloat(math.Round(n*10)/10, 'f', -1, 64) }
