package bench

import "fmt"

// warnings say what makes a figure doubtful, and whose fault it is.
func (r *run) warnings(out *Report) []string {
	var w []string
	add := func(format string, args ...any) { w = append(w, fmt.Sprintf(format, args...)) }
	if r.pubErr != nil {
		add("the publisher was lost, so the run ended early: %v", r.pubErr)
	}
	if out.Load.Failed > 0 {
		add("%d of %d viewers could not join, so the load was lower than asked for", out.Load.Failed, out.Load.Viewers)
	}
	if out.Load.Lost > 0 {
		add("%d viewers lost their connection after they had joined", out.Load.Lost)
	}
	if r.end.at.IsZero() {
		add("the run ended before the measured window began: only the join times are known")
		return w
	}
	c := out.Client
	switch {
	case c.SocketDrops > 0:
		add("%d packets were lost in the load client's own sockets: the loss is not the server's alone; "+
			"use fewer viewers or more cores", c.SocketDrops)
	case c.Saturated:
		add("the load client was short of CPU (%.0f %% of %d cores, p99 lag %.1f ms): "+
			"latency and loss may be its own; use fewer viewers or more cores", c.CPUPercent, c.Cores, c.LagP99)
	}
	if out.Source.LateP99 > 20 {
		add("the publisher was up to %.0f ms late (p99), so its frames came unevenly", out.Source.LateP99)
	}
	if out.Delivery.FramesWhole > 0 && out.Latency.Frames < out.Delivery.FramesWhole/2 {
		add("only %d of %d frames still had their time stamp: the server seems to remove SEI messages, "+
			"and the latency stands on few frames", out.Latency.Frames, out.Delivery.FramesWhole)
	}
	if n := r.undecryptable(); n > 0 {
		add("%d viewers got packets that could not be decrypted", n)
	}
	if r.cfg.PID != 0 && out.Server == nil {
		add("process %d ended during the run", r.cfg.PID)
	}
	if r.cfg.Metrics != "" && out.Go == nil {
		add("the metrics could not be read or have no go_memstats")
	}
	return w
}

// undecryptable counts the viewers of which less than half of the sampled
// packets could be decrypted. Wrong keys spoil all of them.
func (r *run) undecryptable() int {
	n := 0
	for i, v := range r.viewers {
		if v.isJoined() {
			p := r.end.readings[i].packets
			if p.passed > 20 && p.opened < p.passed/2 {
				n++
			}
		}
	}
	return n
}
