package app

// Doors are the addresses for callbacks of one provider alone, for a process
// that runs several workers: two of them cannot share WEBHOOK_ADDR. A worker
// that is a process by itself has no use for them, and lets them pass, because
// one file may configure all programs.
type Doors struct {
	SkinsBackAddr string `name:"skinsback-webhook-addr" env:"SKINSBACK_WEBHOOK_ADDR" placeholder:"ADDR" group:"Webhooks" help:"WEBHOOK_ADDR of worker-skinsback alone."`
	SkinsBackURL  string `name:"skinsback-webhook-public-url" env:"SKINSBACK_WEBHOOK_PUBLIC_URL" placeholder:"URL" group:"Webhooks" help:"WEBHOOK_PUBLIC_URL of worker-skinsback alone."`
	ExchangerAddr string `name:"exchanger-webhook-addr" env:"EXCHANGER_WEBHOOK_ADDR" placeholder:"ADDR" group:"Webhooks" help:"WEBHOOK_ADDR of worker-exchanger alone."`
	ExchangerURL  string `name:"exchanger-webhook-public-url" env:"EXCHANGER_WEBHOOK_PUBLIC_URL" placeholder:"URL" group:"Webhooks" help:"WEBHOOK_PUBLIC_URL of worker-exchanger alone."`
}

// Check applies the rules of the section. What the URLs must be is the workers'
// own rule.
func (d *Doors) Check(f *Faults) {
	if d.SkinsBackAddr != "" {
		f.address("SKINSBACK_WEBHOOK_ADDR", d.SkinsBackAddr)
	}
	if d.ExchangerAddr != "" {
		f.address("EXCHANGER_WEBHOOK_ADDR", d.ExchangerAddr)
	}
}
