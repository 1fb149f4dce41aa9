package app

import (
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/web"
)

// streams shows the hub to the web door, which does not know it.
type streams struct{ hub *hub.Hub }

// List implements web.Streams.
func (s streams) List() []web.StreamInfo {
	infos := s.hub.List()
	list := make([]web.StreamInfo, len(infos))
	for i, info := range infos {
		list[i] = streamInfo(info)
	}
	return list
}

// Stream implements web.Streams.
func (s streams) Stream(name string) (web.StreamInfo, bool) {
	info := s.hub.Info(name)
	return streamInfo(info), info.State != hub.Offline
}

// Poster implements web.Streams.
func (s streams) Poster(name string) ([]byte, int, bool) {
	jpeg, version := s.hub.Poster(name)
	return jpeg, version, jpeg != nil
}

func streamInfo(info hub.Info) web.StreamInfo {
	tracks := make([]web.TrackInfo, len(info.Tracks))
	for i, t := range info.Tracks {
		tracks[i] = web.TrackInfo(t)
	}
	var diagnoses []web.Diagnosis
	for _, d := range info.Diagnoses {
		diagnoses = append(diagnoses, web.Diagnosis(d))
	}
	return web.StreamInfo{
		Name:      info.Name,
		Title:     info.Title,
		State:     string(info.State),
		Since:     info.Since,
		AwaySince: info.AwaySince,
		Viewers:   info.Viewers,
		Proto:     info.Proto,
		Poster:    info.Poster,
		Tracks:    tracks,
		Diagnoses: diagnoses,
	}
}
