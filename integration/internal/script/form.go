package script

import (
	"slices"
	"strings"
)

// Kind is the sort of a sentence, and the word that a line of it begins with, if it is not part of the sentence.
type Kind string

// The sorts of sentences.
const (
	Setting Kind = ""
	Deed    Kind = "at"     // at TIME …
	Demand  Kind = "expect" // expect …
)

// Form is a sentence with operands in capitals and at most one part in brackets that may be left out. Its text is its identity.
type Form struct {
	Kind Kind
	Text string
	Help string
}

// Settings.
const (
	SetTitle    = "title WORDS"
	SetDirector = "director DIRECTOR DAEMON [priority NUMBER]"
	SetInterval = "interval TIME"
	SetSchedule = "scheduler SCHEDULER"
	SetLength   = "length TIME"
	SetConfig   = "config NAME"
	SetAppend   = "append NAME to DIRECTOR"
)

// Deeds.
const (
	Kill       = "kill DIRECTOR [PART]"
	Stop       = "stop HOST"
	Start      = "start HOST [DAEMON]"
	Pause      = "pause DIRECTOR [PART] TIME"
	Continue   = "continue DIRECTOR [PART]" // the end of a pause; it is not written
	Starve     = "starve DIRECTOR PART TIME"
	Feed       = "feed DIRECTOR PART" // the end of that; it is not written
	Disk       = "disk DIRECTOR FILL"
	Cut        = "cut HOST HOST [one-way]"
	Loss       = "loss PERCENT [HOST]"
	Delay      = "delay TIME [HOST]"
	Link       = "link HOST STATE"
	Heal       = "heal"
	Reload     = "reload DIRECTOR [with NAME]"
	Reprior    = "reload DIRECTOR priority NUMBER"
	Reserve    = "reload DIRECTOR servers SERVERS"
	Misread    = "reload DIRECTOR from WRECK"
	Failover   = "failover DIRECTOR"
	Lift       = "lift DIRECTOR"
	DeleteVIP  = "delete vip DIRECTOR [prefix NUMBER]"
	AddVIP     = "add vip DIRECTOR [prefix NUMBER]"
	ClearTable = "clear table DIRECTOR"
	Flood      = "flood NUMBER TIME"
	Claim      = "claim vip NUMBER TIME"
	IPVS       = "ipvs STATE"
	Clock      = "clock DIRECTION NUMBER days"
	Status     = "status DIRECTOR"
)

// Demands.
const (
	OneMaster     = "one master within TIME [of STEP]"
	BecomesMaster = "DIRECTOR is master within TIME [of STEP]"
	HolderAtEnd   = "holder is DIRECTOR at end"
	NoTransition  = "no transition on DIRECTOR"
	TwoHolders    = "two holders < TIME"
	NoHolder      = "no holder < TIME"
	Announces     = "DIRECTOR announces within TIME [of STEP]"
	AnnouncesFew  = "DIRECTOR announces < NUMBER times [of STEP]"
	TakesFew      = "DIRECTOR takes the address < NUMBER times"
	Falls         = "DIRECTOR answers nothing once DIRECTOR announces"
	NoDouble      = "no double answer [of STEP]"
	ARPRight      = "arp right at end"
	AdvertsLate   = "adverts of DIRECTOR late < TIME"
	GapQuiet      = "client gap < quiet + TIME"
	GapBound      = "client gap < TIME"
	LosesNothing  = "client loses nothing"
	Connects      = "client connects always"
	TablesEqual   = "table DIRECTOR = DIRECTOR"
	TableSame     = "table DIRECTOR unchanged"
	TableWhole    = "table DIRECTOR whole within TIME [of STEP]"
	TableWithout  = "table DIRECTOR without SERVER within TIME [of STEP]"
	TableWith     = "table DIRECTOR with SERVER within TIME [of STEP]"
	Undying       = "processes DIRECTOR unchanged"
	Tells         = "DIRECTOR tells WORDS"
	Fails         = "STEP fails"
)

var forms = []Form{
	{Setting, SetTitle, "what the scenario shows, for the table"},
	{Setting, SetDirector, "the daemon of a director: lbha, keepalived, or frr beside a static table; priorities are 150 and 100 unless said"},
	{Setting, SetInterval, "of advertisements; 1s unless said"},
	{Setting, SetSchedule, "of the services: rr unless said; mh, by which a director knows the server of a connection that another has scheduled"},
	{Setting, SetLength, "of what is watched"},
	{Setting, SetConfig, "the indented lines that follow are a snippet of configuration"},
	{Setting, SetAppend, "a snippet at the end of a director's configuration from the beginning"},

	{Deed, Kill, "kill -9: all processes, or one: supervisor, elector, director"},
	{Deed, Stop, "SIGTERM to a director; a real server's web server goes at once"},
	{Deed, Start, "start what was killed or stopped, a director with another daemon if one is named"},
	{Deed, Pause, "SIGSTOP, and SIGCONT after the time: all processes, or one"},
	{Deed, Starve, "for the time the process gets no file descriptor beyond those it has"},
	{Deed, Disk, "the file system of a director's state and log: full, free"},
	{Deed, Cut, "the two hosts do not hear each other; one-way: the second does not hear the first"},
	{Deed, Loss, "of packets on their way to every host, or to one"},
	{Deed, Delay, "of packets on their way to every host, or to one"},
	{Deed, Link, "the host's carrier: up, down"},
	{Deed, Heal, "no cut, no loss, no delay, every link up"},
	{Deed, Reload, "as it is, or with a snippet appended"},
	{Deed, Reprior, "with another priority"},
	{Deed, Reserve, "with other real servers"},
	{Deed, Misread, "when the file is missing, empty, garbage, half of itself, a directory, or a fifo"},
	{Deed, Failover, "hand over by command"},
	{Deed, Lift, "end what failover began"},
	{Deed, DeleteVIP, "by hand, the one of 32 bits or of another prefix"},
	{Deed, AddVIP, "by hand, as one of 32 bits or of another prefix"},
	{Deed, ClearTable, "ipvsadm -C"},
	{Deed, Flood, "that many bad adverts a second"},
	{Deed, Claim, "that many gratuitous ARPs a second of the observer, for the virtual address"},
	{Deed, IPVS, "the kernel's IPVS: down, with all tables; up. Only where the lab has a kernel of its own"},
	{Deed, Clock, "the wall clock, of all hosts: back, forward. Only where the lab has a kernel of its own"},
	{Deed, Status, "ask the daemon"},

	{Demand, OneMaster, "from then on exactly one director has the virtual address, but for 50 ms in all"},
	{Demand, BecomesMaster, "it has the virtual address"},
	{Demand, HolderAtEnd, "it alone has the virtual address when the time is over"},
	{Demand, NoTransition, "it neither takes nor loses the virtual address, and a backup is silent"},
	{Demand, TwoHolders, "in all; 0s: never"},
	{Demand, NoHolder, "in all; 0s: never"},
	{Demand, Announces, "it sends a gratuitous ARP"},
	{Demand, AnnouncesFew, "gratuitous ARPs in all, or from a step on"},
	{Demand, TakesFew, "it gets the virtual address"},
	{Demand, Falls, "no ARP request, from 50 ms after the other's first gratuitous ARP until one of its own"},
	{Demand, NoDouble, "no ARP request gets answers of two machines"},
	{Demand, ARPRight, "the client's ARP entry points to the holder"},
	{Demand, AdvertsLate, "no advert of a master that stays one is later"},
	{Demand, GapQuiet, "no time without an answer is longer than in a quiet run beside it"},
	{Demand, GapBound, "no time without an answer is longer"},
	{Demand, LosesNothing, "every request was answered"},
	{Demand, Connects, "every connection was made; requests on one that was open meanwhile may be lost"},
	{Demand, TablesEqual, "at the end, but for servers that one of them drains"},
	{Demand, TableSame, "all the time"},
	{Demand, TableWhole, "it is what it was at the beginning"},
	{Demand, TableWithout, "the server is in no rule"},
	{Demand, TableWith, "the server is in a rule of each service"},
	{Demand, Undying, "those that run at the end are those of the beginning"},
	{Demand, Tells, "the words are in what it logged meanwhile"},
	{Demand, Fails, "a step whose command must fail; any other must succeed"},
}

// Forms lists every sentence of the language.
func Forms() []Form { return slices.Clone(forms) }

// template is one way to write a form.
type template struct {
	form   string
	words  []string
	option bool // with the part in brackets
}

// templates are the ways to write the forms of each kind, the longer one first: it decides which error is told.
var templates = map[Kind][]template{Setting: templatesOf(Setting), Deed: templatesOf(Deed), Demand: templatesOf(Demand)}

func templatesOf(kind Kind) (list []template) {
	for _, f := range forms {
		if f.Kind != kind {
			continue
		}
		before, rest, optional := strings.Cut(f.Text, "[")
		option, after, _ := strings.Cut(rest, "]")
		if optional {
			list = append(list, template{f.Text, strings.Fields(before + option + after), true})
		}
		list = append(list, template{f.Text, strings.Fields(before + after), false})
	}
	return list
}
