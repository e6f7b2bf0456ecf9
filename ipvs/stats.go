package ipvs

import "net/netip"

// Traffic is what the kernel has counted since the service or server was made,
// or was zeroed, and the rates that its estimator derives every 2 s. Counters
// are refreshed by the same estimator: right after traffic they lag.
type Traffic struct {
	Connections uint64 `json:"connections"`
	PacketsIn   uint64 `json:"packets_in"`
	PacketsOut  uint64 `json:"packets_out"` // 0 unless replies pass the director (NAT)
	BytesIn     uint64 `json:"bytes_in"`
	BytesOut    uint64 `json:"bytes_out"`

	ConnectionRate uint64 `json:"connection_rate"` // per second, like all rates
	PacketRateIn   uint64 `json:"packet_rate_in"`  //
	PacketRateOut  uint64 `json:"packet_rate_out"` //
	ByteRateIn     uint64 `json:"byte_rate_in"`    //
	ByteRateOut    uint64 `json:"byte_rate_out"`   //
}

// ServiceStats are the counters of a virtual service.
type ServiceStats struct {
	Traffic
}

// ServerStats are the counters of a real server in one service. The numbers of
// connections are exact at the time of the listing, unlike [Traffic].
type ServerStats struct {
	Traffic
	Active     uint32 `json:"active"`     // connections that are established
	Inactive   uint32 `json:"inactive"`   // connections that are not, or no more
	Persistent uint32 `json:"persistent"` // persistence templates, each binding clients
}

// PoolStats are the counters of a service and of its servers.
type PoolStats struct {
	Service ServiceStats                   `json:"service"`
	Servers map[netip.AddrPort]ServerStats `json:"servers"`
}

// Snapshot is one listing of the kernel: the table, and its counters kept
// apart, so that tables can be compared. It is never changed after it was made.
type Snapshot struct {
	Table Table             `json:"-"`
	Stats map[Key]PoolStats `json:"-"`
}
