package app

import "github.com/beltline-io/beltline/internal/secret"

// BalanceSteam is the section of worker-balancesteam.
type BalanceSteam struct {
	URL        BaseURL       `name:"balancesteam-url" env:"BALANCESTEAM_URL" default:"https://balancesteam.ru" group:"BalanceSteam" help:"Base address."`
	APIKey     secret.String `name:"balancesteam-api-key" env:"BALANCESTEAM_API_KEY" placeholder:"SECRET" group:"BalanceSteam" help:"API key."`
	APIKeyFile string        `name:"balancesteam-api-key-file" env:"BALANCESTEAM_API_KEY_FILE" placeholder:"PATH" group:"BalanceSteam" help:"File with the API key."`
	Witness    string        `name:"balancesteam-witness" env:"BALANCESTEAM_WITNESS" default:"record" group:"BalanceSteam" help:"Whether to record the balance around a purchase, as evidence: record or off."`
}

// Check applies the rules of the section.
func (b *BalanceSteam) Check(f *Faults) {
	needSecret(f, "BALANCESTEAM_API_KEY", b.APIKey)
	oneOf(f, "BALANCESTEAM_WITNESS", b.Witness, "record", "off")
}

// SkinsBack is the section of worker-skinsback.
type SkinsBack struct {
	URL              BaseURL       `name:"skinsback-url" env:"SKINSBACK_URL" default:"https://skinsback.com/api.php" group:"SkinsBack" help:"Address of the API."`
	ClientID         string        `name:"skinsback-client-id" env:"SKINSBACK_CLIENT_ID" placeholder:"ID" group:"SkinsBack" help:"Client id."`
	ClientSecret     secret.String `name:"skinsback-client-secret" env:"SKINSBACK_CLIENT_SECRET" placeholder:"SECRET" group:"SkinsBack" help:"Client secret."`
	ClientSecretFile string        `name:"skinsback-client-secret-file" env:"SKINSBACK_CLIENT_SECRET_FILE" placeholder:"PATH" group:"SkinsBack" help:"File with the client secret."`
	Auth             string        `name:"skinsback-auth" env:"SKINSBACK_AUTH" default:"headers" group:"SkinsBack" help:"How requests prove who we are: headers or signature."`
}

// Check applies the rules of the section.
func (s *SkinsBack) Check(f *Faults) {
	if s.ClientID == "" {
		f.Add("SKINSBACK_CLIENT_ID", "is required")
	}
	needSecret(f, "SKINSBACK_CLIENT_SECRET", s.ClientSecret)
	oneOf(f, "SKINSBACK_AUTH", s.Auth, "headers", "signature")
}

// GamesDrop is the section of worker-gamesdrop.
type GamesDrop struct {
	URL         BaseURL       `name:"gamesdrop-url" env:"GAMESDROP_URL" default:"https://partner.gamesdrop.io" group:"GamesDrop" help:"Base address."`
	TelegramURL BaseURL       `name:"gamesdrop-telegram-url" env:"GAMESDROP_TELEGRAM_URL" default:"https://gamesdrop.io/api/aggregator/a6/telegram/user-info" group:"GamesDrop" help:"Address that resolves Telegram names."`
	Token       secret.String `name:"gamesdrop-token" env:"GAMESDROP_TOKEN" placeholder:"SECRET" group:"GamesDrop" help:"Shop token."`
	TokenFile   string        `name:"gamesdrop-token-file" env:"GAMESDROP_TOKEN_FILE" placeholder:"PATH" group:"GamesDrop" help:"File with the shop token."`
}

// Check applies the rules of the section.
func (g *GamesDrop) Check(f *Faults) { needSecret(f, "GAMESDROP_TOKEN", g.Token) }

// Exchanger is the section of worker-exchanger.
type Exchanger struct {
	URL          BaseURL       `name:"exchanger-url" env:"EXCHANGER_URL" placeholder:"URL" group:"Exchanger" help:"Address of the API, as https://host/api/userapi/v1; required."`
	APILogin     secret.String `name:"exchanger-api-login" env:"EXCHANGER_API_LOGIN" placeholder:"SECRET" group:"Exchanger" help:"API login."`
	APILoginFile string        `name:"exchanger-api-login-file" env:"EXCHANGER_API_LOGIN_FILE" placeholder:"PATH" group:"Exchanger" help:"File with the API login."`
	APIKey       secret.String `name:"exchanger-api-key" env:"EXCHANGER_API_KEY" placeholder:"SECRET" group:"Exchanger" help:"API key."`
	APIKeyFile   string        `name:"exchanger-api-key-file" env:"EXCHANGER_API_KEY_FILE" placeholder:"PATH" group:"Exchanger" help:"File with the API key."`
	Lang         string        `name:"exchanger-lang" env:"EXCHANGER_LANG" placeholder:"LANG" group:"Exchanger" help:"Language of the exchanger's texts."`
}

// Check applies the rules of the section.
func (e *Exchanger) Check(f *Faults) {
	if e.URL.Empty() {
		f.Add("EXCHANGER_URL", "is required")
	}
	needSecret(f, "EXCHANGER_API_LOGIN", e.APILogin)
	needSecret(f, "EXCHANGER_API_KEY", e.APIKey)
}

func needSecret(f *Faults, name string, s secret.String) {
	if s.Empty() && !f.broken[name+"_FILE"] {
		f.Add(name, "is required; set it or %s_FILE", name)
	}
}

func oneOf(f *Faults, name, value, first, second string) {
	if value != first && value != second {
		f.Add(name, "must be %s or %s", first, second)
	}
}
