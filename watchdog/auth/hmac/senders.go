package hmac

import (
	"strconv"
	"sync"
	"time"
)

// Presets are the senders known by name. They are made when they are first asked
// for, which most functions never do.
var Presets = sync.OnceValue(func() map[string]Preset {
	return map[string]Preset{
		"adyen-header": {
			Sender:    "Adyen (Management, Configuration and Banking webhooks)",
			Source:    "[Verify HMAC signatures](https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures)",
			Secret:    "the webhook's HMAC key in hex, as the Customer Area made it",
			KeyLength: 64,
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"HmacSignature"}, Encoding: Base64},
				Key:       KeyForm{Encoding: KeyHex},
			}},
		},
		"adyen-payments": {
			Sender:    "Adyen (payment webhooks)",
			Source:    "[Verify HMAC signatures](https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures)",
			Secret:    "the webhook's HMAC key in hex, as the Customer Area made it",
			KeyLength: 64,
			Schemes: []Scheme{{
				Alg:          SHA256,
				Items:        "notificationItems",
				Signature:    Signature{JSON: "NotificationRequestItem.additionalData.hmacSignature", Encoding: Base64},
				Signed:       adyenItem,
				Key:          KeyForm{Encoding: KeyHex},
				BodyUnsigned: true,
			}},
		},
		"airtable": {
			Sender: "Airtable",
			Source: "[Webhooks overview](https://airtable.com/developers/web/api/webhooks-overview)",
			Secret: "the webhook's `macSecretBase64`, from the answer that created it",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-Airtable-Content-MAC"}, Prefix: "hmac-sha256="},
				Key:       KeyForm{Encoding: KeyBase64},
			}},
		},
		"asana": {
			Sender:    "Asana",
			Source:    "[Webhooks](https://developers.asana.com/docs/webhooks-guide)",
			Secret:    "the value of `X-Hook-Secret` in the request with which Asana set the webhook up",
			Handshake: "asana",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-Hook-Signature"}},
			}},
		},
		"authorize-net": {
			// The documents speak of a key in hex; what is sent is signed with its text.
			Sender:    "Authorize.Net",
			Source:    "[Webhooks](https://developer.authorize.net/api/reference/features/webhooks.html)",
			Secret:    "the signature key, from API Credentials & Keys, as it was shown",
			KeyLength: 128,
			Schemes: []Scheme{{
				Alg:       SHA512,
				Signature: Signature{Headers: []string{"X-ANET-Signature"}, Prefix: "sha512="},
				Key:       KeyForm{Encoding: KeyHex, AlsoText: true},
			}},
			Vector: Vector{
				Secret: `52CB4A002C634B84E397DC8A218E1A160BA7CAB7CBE4C05B35E9CBB05E14FE4A2385812E980CCF97D177F17863CE214D1BE6CE8E1E894487AACF3609C1A5FE17`,
				At:     1740787200,
				Header: map[string]string{"X-ANET-Signature": "sha512=A1E0CC0F8A7B6274E0951CAC5EB63579F70FC6B7B15384B146DCE02B98DEE3954A5A8E331661B51DE953E141E88994DFA7D267FFB8428BE0660511B6EFB94960"},
				Body:   `{"notificationId":"182cbbff-cab2-4080-931d-80e5d818f23a","eventType":"net.authorize.payment.authcapture.created","eventDate":"2017-08-18T20:40:52.7722007Z","webhookId":"849eb87e-078a-4169-a34b-c0bded5019a8","payload":{"responseCode":0,"authCode":"Z3PV5H","avsResponse":"Y","authAmount":0.0,"entityName":"transaction","id":"40005915599"}}`,
			},
		},
		"bitbucket": {
			Sender:  "Bitbucket",
			Source:  "[Manage webhooks](https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/)",
			Secret:  "the webhook's secret as it was typed",
			Schemes: []Scheme{hub(SHA256, "sha256=")},
		},
		"box": {
			Sender: "Box",
			Source: "[Verify signatures](https://developer.box.com/guides/webhooks/v2/signatures-v2/)",
			Secret: "the app's primary and secondary signature keys, a line each",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"BOX-SIGNATURE-PRIMARY", "BOX-SIGNATURE-SECONDARY"}, Encoding: Base64},
				Signed:    "{body}{time}",
				Time:      Time{Source: Source{Header: "BOX-DELIVERY-TIMESTAMP"}, Format: RFC3339, Tolerance: 10 * time.Minute},
				Require:   map[string]string{"BOX-SIGNATURE-VERSION": "1", "BOX-SIGNATURE-ALGORITHM": "HmacSHA256"},
			}},
		},
		"buildkite": {
			Sender: "Buildkite",
			Source: "[Webhooks](https://buildkite.com/docs/apis/webhooks)",
			Secret: "the webhook's token, in either of Buildkite's ways to send it",
			Schemes: []Scheme{
				timed("X-Buildkite-Signature", "timestamp=", "signature="),
				{
					Alg:       Token,
					Signature: Signature{Headers: []string{"X-Buildkite-Token"}},
				},
			},
		},
		"cal-com": {
			Sender: "Cal.com",
			Source: "[Webhooks](https://cal.com/docs/developing/guides/automation/webhooks)",
			Secret: "the webhook's secret as it was typed",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-Cal-Signature-256"}},
			}},
		},
		"calendly": {
			Sender:  "Calendly",
			Source:  "[Webhook signatures](https://developer.calendly.com/api-docs/4c305798a61d3-webhook-signatures)",
			Secret:  "the subscription's `signing_key`, which was given or returned when it was created",
			Schemes: []Scheme{timed("Calendly-Webhook-Signature", "t=", "v1=")},
		},
		"circleci": {
			Sender: "CircleCI",
			Source: "[Outbound webhooks](https://circleci.com/docs/outbound-webhooks/)",
			Secret: "the webhook's secret token as it was typed",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"circleci-signature"}, Split: ",", Prefix: "v1="},
			}},
		},
		"cloudflare-stream": {
			Sender:  "Cloudflare Stream",
			Source:  "[Use webhooks](https://developers.cloudflare.com/stream/manage-video-library/using-webhooks/)",
			Secret:  "the `secret` that the API returned when the webhook was set",
			Schemes: []Scheme{timed("Webhook-Signature", "time=", "sig1=")},
		},
		"coinbase-cdp": {
			// v1= signs headers too, which the request itself lists; v0= is enough.
			Sender:  "Coinbase Developer Platform",
			Source:  "[Verify signatures](https://docs.cdp.coinbase.com/webhooks/verify-signatures)",
			Secret:  "the subscription's `secret`, from the answer that created it",
			Schemes: []Scheme{timed("X-Hook0-Signature", "t=", "v0=")},
		},
		"coinbase-commerce": {
			Sender: "Coinbase Commerce",
			Source: "[coinbase/coinbase-commerce-node](https://github.com/coinbase/coinbase-commerce-node)",
			Secret: "the shared secret of webhook subscriptions, under Settings, Notifications",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-CC-Webhook-Signature"}},
			}},
		},
		"convoy": {
			Sender: "Convoy",
			Source: "[Signatures](https://getconvoy.io/docs/product-manual/signatures)",
			Secret: "the endpoint's secret",
			Schemes: []Scheme{
				{
					Alg:       SHA256,
					Signature: Signature{Headers: []string{"X-Convoy-Signature"}, Split: ",", Prefix: "v1="},
					Signed:    "{time},{body}",
					Time:      Time{SigPrefix: "t=", Tolerance: 5 * time.Minute},
				},
				{
					Alg:       SHA256,
					Signature: Signature{Headers: []string{"X-Convoy-Signature"}},
				},
			},
		},
		"cursor": {
			Sender: "Cursor",
			Source: "[Webhooks of background agents](https://docs.cursor.com/en/background-agent/api/webhooks)",
			Secret: "the webhook's secret as it was given when the agent was started",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-Webhook-Signature"}, Prefix: "sha256="},
			}},
		},
		"customerio": {
			Sender: "Customer.io",
			Source: "[Reporting webhooks](https://docs.customer.io/api/webhooks/)",
			Secret: "the reporting webhook's signing key, from its page of settings",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-CIO-Signature"}},
				Signed:    "v0:{time}:{body}",
				Time:      Time{Source: Source{Header: "X-CIO-Timestamp"}, Tolerance: 5 * time.Minute},
			}},
		},
		"discord": {
			Sender:    "Discord (interactions and webhook events)",
			Source:    "[Interactions overview](https://discord.com/developers/docs/interactions/overview)",
			Secret:    "the application's public key in hex, under General Information",
			Handshake: "discord",
			Schemes: []Scheme{{
				Alg:       Ed25519,
				Signature: Signature{Headers: []string{"X-Signature-Ed25519"}},
				Signed:    "{time}{body}",
				Time:      Time{Source: Source{Header: "X-Signature-Timestamp"}, Tolerance: 5 * time.Minute},
				Key:       KeyForm{Encoding: KeyHex},
			}},
		},
		"discourse": {
			Sender: "Discourse",
			Source: "[Configure webhooks](https://meta.discourse.org/t/configure-webhooks-that-trigger-on-discourse-events-to-integrate-with-external-services/49045)",
			Secret: "the webhook's secret as it was typed",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-Discourse-Event-Signature"}, Prefix: "sha256="},
			}},
		},
		"docusign": {
			Sender:    "DocuSign Connect",
			Source:    "[HMAC security](https://developers.docusign.com/platform/webhooks/connect/hmac/)",
			Secret:    "the account's Connect keys as they were shown, a line each",
			KeyLength: 44,
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: numbered("X-DocuSign-Signature-", 100), Encoding: Base64},
			}},
		},
		"doppler": {
			Sender: "Doppler",
			Source: "[Webhooks](https://docs.doppler.com/docs/webhooks)",
			Secret: "the webhook's signing secret as it was typed",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-Doppler-Signature"}, Prefix: "sha256="},
			}},
		},
		"dropbox": {
			Sender:    "Dropbox",
			Source:    "[Webhooks](https://www.dropbox.com/developers/reference/webhooks)",
			Secret:    "the app secret, from the App Console",
			Handshake: "dropbox",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-Dropbox-Signature"}},
			}},
		},
		"elevenlabs": {
			Sender: "ElevenLabs",
			Source: "[Post-call webhooks](https://elevenlabs.io/docs/product-guides/administration/webhooks)",
			Secret: "the webhook's secret, shown when it was created",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"ElevenLabs-Signature"}, Split: ",", Prefix: "v0="},
				Signed:    "{time}.{body}",
				Time:      Time{SigPrefix: "t=", Tolerance: 30 * time.Minute},
			}},
		},
		"event-grid": {
			Sender:    "Azure Event Grid",
			Source:    "[Custom delivery properties](https://learn.microsoft.com/en-us/azure/event-grid/delivery-properties)",
			Secret:    "the value of a delivery property of the subscription: static, secret, and named `X-Event-Grid-Token`",
			Handshake: "eventgrid",
			Schemes:   []Scheme{{Alg: Token, Signature: Signature{Headers: []string{"X-Event-Grid-Token"}}}},
		},
		"front": {
			Sender: "Front",
			Source: "[Application webhooks](https://dev.frontapp.com/docs/application-webhooks)",
			Secret: "the app's secret, from its page under Developers",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-Front-Signature"}, Encoding: Base64},
				Signed:    "{time}:{body}",
				Time:      Time{Source: Source{Header: "X-Front-Request-Timestamp"}, Format: UnixMS, Tolerance: 5 * time.Minute},
			}},
		},
		"fusionauth": {
			Sender: "FusionAuth",
			Source: "[Signing webhooks](https://fusionauth.io/docs/extend/events-and-webhooks/signing)",
			Secret: "the HMAC key, of the algorithm HS256, that the webhook signs with",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-FusionAuth-Signature-JWT"}, Encoding: JWT},
				BodyHash:  BodyHash{Claim: "request_body_sha256", Encoding: Base64},
			}},
		},
		"gitea": {
			Sender: "Gitea, Forgejo and Gogs",
			Source: "[Webhooks](https://docs.gitea.com/usage/webhooks)",
			Secret: "the webhook's secret as it was typed",
			Schemes: []Scheme{
				Default,
				{
					Alg:       SHA256,
					Signature: Signature{Headers: []string{"X-Gitea-Signature"}},
				},
				{
					Alg:       SHA256,
					Signature: Signature{Headers: []string{"X-Forgejo-Signature"}},
				},
				{
					Alg:       SHA256,
					Signature: Signature{Headers: []string{"X-Gogs-Signature"}},
				},
			},
		},
		"github": {
			Sender:  "GitHub",
			Source:  "[Validating webhook deliveries](https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries)",
			Secret:  "the webhook's secret as it was typed",
			Schemes: []Scheme{Default},
			Example: Example{
				Header: map[string]string{"X-GitHub-Event": "push"},
				Body:   `{"ref":"refs/heads/main","repository":{"full_name":"octo/hello"},"pusher":{"name":"octocat"},"commits":[{"message":"Say hello"},{"message":"Say it louder"}]}`,
			},
			Vector: Vector{
				Secret: `It's a Secret to Everybody`,
				At:     0,
				Header: map[string]string{"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
				Body:   `Hello, World!`,
			},
		},
		"gitlab": {
			Sender: "GitLab",
			Source: "[Webhooks](https://docs.gitlab.com/user/project/integrations/webhooks/)",
			Secret: "the webhook's signing token with its `whsec_`, or its secret token as it was typed",
			Schemes: []Scheme{
				standardWebhooks("webhook"),
				{
					Alg:       Token,
					Signature: Signature{Headers: []string{"X-Gitlab-Token"}},
				},
			},
			Example: Example{
				Header: map[string]string{"X-Gitlab-Event": "Push Hook"},
				Body:   `{"object_kind":"push","ref":"refs/heads/main","user_username":"octocat","project":{"path_with_namespace":"octo/hello"},"total_commits_count":1,"commits":[{"message":"Say hello"}]}`,
			},
		},
		"gocardless": {
			Sender: "GoCardless",
			Source: "[Staying up to date with webhooks](https://developer.gocardless.com/getting-started/staying-up-to-date-with-webhooks)",
			Secret: "the webhook endpoint's secret",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"Webhook-Signature"}},
			}},
		},
		"grafana": {
			Sender: "Grafana Alerting",
			Source: "[Webhook notifier](https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/)",
			Secret: "the HMAC secret of the contact point, whose timestamp header has to be `X-Grafana-Alerting-Timestamp`",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-Grafana-Alerting-Signature"}},
				Signed:    "{time}:{body}",
				Time:      Time{Source: Source{Header: "X-Grafana-Alerting-Timestamp"}, Tolerance: 5 * time.Minute},
			}},
		},
		"heroku": {
			Sender: "Heroku",
			Source: "[App webhooks](https://devcenter.heroku.com/articles/app-webhooks)",
			Secret: "the webhook's secret, given or shown when it was added",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"Heroku-Webhook-Hmac-SHA256"}, Encoding: Base64},
			}},
		},
		"hookdeck": {
			Sender: "Hookdeck",
			Source: "[Authentication & Verification](https://hookdeck.com/docs/authentication)",
			Secret: "the project's signing secret, under Settings, Secrets",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"x-hookdeck-signature", "x-hookdeck-signature-2"}, Encoding: Base64},
			}},
		},
		"hubspot": {
			Sender:    "HubSpot",
			Source:    "[Validating requests](https://developers.hubspot.com/docs/api/webhooks/validating-requests)",
			Secret:    "the app's client secret, under Auth",
			KeyLength: 36,
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-HubSpot-Signature-v3"}, Encoding: Base64},
				Signed:    "{method}{url_decoded}{body}{time}",
				Time:      Time{Source: Source{Header: "X-HubSpot-Request-Timestamp"}, Format: UnixMS, Tolerance: 5 * time.Minute},
			}},
		},
		"intercom": {
			Sender:    "Intercom",
			Source:    "[Setting up webhooks](https://developers.intercom.com/docs/webhooks/setting-up-webhooks)",
			Secret:    "the app's client secret, under Basic information",
			Handshake: "head",
			KeyLength: 36,
			Schemes:   []Scheme{hub(SHA1, "sha1=")},
		},
		"jira": {
			Sender:  "Jira",
			Source:  "[Webhooks](https://developer.atlassian.com/cloud/jira/platform/webhooks/)",
			Secret:  "the secret of the administrator's webhook",
			Schemes: []Scheme{hub(SHA256, "sha256=")},
		},
		"kick": {
			Sender: "Kick",
			Source: "[Webhook security](https://docs.kick.com/events/webhook-security)",
			Secret: "Kick's public key in PEM",
			Schemes: []Scheme{{
				Alg:       RSA,
				Signature: Signature{Headers: []string{"Kick-Event-Signature"}, Encoding: Base64},
				Signed:    "{id}.{time}.{body}",
				Time:      Time{Source: Source{Header: "Kick-Event-Message-Timestamp"}, Format: RFC3339, Tolerance: 5 * time.Minute},
				ID:        Source{Header: "Kick-Event-Message-Id"},
				Key:       KeyForm{Encoding: KeyPEM},
			}},
			Vector: Vector{
				Secret: `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAkGLhTNMox9t1NrO7cdh7
E5xvlasXPWobtN1fSJrAKnNDCGkOhgnBNnmHObqJGpaRf6q46qhMEQoSmK9eANGL
UtRgM2x/Y/MCB4r7CHkez2Hs/O+cFR0VNVX73PQxlx9S5HLBQDmrx2KoT0cV3Mxv
jVPk/Qa3HhGCPsFN9fe3zc/i0AQHU8ZjhRaQ4/pKSqiFeJj6mPvI+GBAhJXu14Zj
e8eHtNcPG0LIbwdnek8DY++yE1mL+ZRXKe1nbM/RkOwRWxT7URYy1gThbAbctHEu
bCjQakxuB+j8tWSbGrM75tIC3rVXf4n9DML/JccPCcXk99NTACBqUrRo6Rj6ilqj
5wIDAQAB
-----END PUBLIC KEY-----`,
				At:     1740787200,
				Header: map[string]string{"Kick-Event-Message-Id": "01JNA0Z5Q3VYJ8T1K6W2RCX4PD", "Kick-Event-Message-Timestamp": "2025-03-01T00:00:00Z", "Kick-Event-Signature": "TOvZjGy7eHRf9LXcvxMMjErD0wCqe7nnEi0FHUAbNjk7pBWGR06Q8QsHuOtOtuuExfJ3b4Z68HUZBibaM0eOjcGvpemOvV68rf9wQ81kDQG04hbK/vExBWHoWB/4Hpr8DgEVmAr7fSwUGulNp9YH+M2OCNJwTXDMeBZgf/Wm52Swmj8kXmHcFow5nibgocjUNFeFK0MplUwOjni02E+vpLwcdHg5bBTkbIw7JmmCwDYitGEHgt+vBBhcs8eCLFvtRH/tWYM5eI4uqT2FZay2ySfZkI1oDPSV0HZ+iRfwU+H/tVzDYGlyyCrTXAdYuxe1iea30xFsXdXe7Yr8cvHrYg=="},
				Body:   `{"message_id":"unique_message_id_123","content":"Hello","sender":{"username":"ada"}}`,
			},
		},
		"klaviyo": {
			Sender: "Klaviyo",
			Source: "[Working with system webhooks](https://developers.klaviyo.com/en/docs/working_with_system_webhooks)",
			Secret: "the webhook's secret key as it was given when it was created",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"Klaviyo-Signature"}},
				Signed:    "{body}{time}",
				Time:      Time{Source: Source{Header: "Klaviyo-Timestamp"}, Format: HTTPDate, Tolerance: 5 * time.Minute},
			}},
		},
		"launchdarkly": {
			Sender: "LaunchDarkly",
			Source: "[Webhooks](https://launchdarkly.com/docs/integrations/webhooks)",
			Secret: "the integration's secret as it was typed",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-LD-Signature"}},
			}},
		},
		"lemonsqueezy": {
			Sender: "Lemon Squeezy",
			Source: "[Signing requests](https://docs.lemonsqueezy.com/help/webhooks/signing-requests)",
			Secret: "the webhook's signing secret as it was typed",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-Signature"}},
			}},
		},
		"line": {
			Sender:    "LINE",
			Source:    "[Verify webhook signature](https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/)",
			Secret:    "the channel secret, under Basic settings",
			KeyLength: 32,
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-Line-Signature"}, Encoding: Base64},
			}},
		},
		"linear": {
			// Its Linear-Timestamp is not signed.
			Sender: "Linear",
			Source: "[Webhooks](https://linear.app/developers/webhooks)",
			Secret: "the webhook's signing secret, from its page of settings",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"Linear-Signature"}},
				Time:      Time{Source: Source{JSON: "webhookTimestamp"}, Format: UnixMS, Tolerance: time.Minute},
			}},
		},
		"linkedin": {
			Sender: "LinkedIn",
			Source: "[Webhook validation](https://learn.microsoft.com/en-us/linkedin/shared/api-guide/webhook-validation)",
			Secret: "the app's client secret, under Auth",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-LI-Signature"}},
				Signed:    "hmacsha256={body}",
			}},
		},
		"mailgun": {
			Sender:    "Mailgun",
			Source:    "[Securing webhooks](https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks)",
			Secret:    "the account's HTTP webhook signing key",
			KeyLength: 32,
			Schemes: []Scheme{{
				Alg:          SHA256,
				Signature:    Signature{JSON: "signature.signature"},
				Signed:       "{time}{id}",
				Time:         Time{Source: Source{JSON: "signature.timestamp"}, Tolerance: 5 * time.Minute},
				ID:           Source{JSON: "signature.token"},
				BodyUnsigned: true,
			}},
			Example: Example{
				Body: `{"signature":{"timestamp":"0","token":"","signature":""},"event-data":{"event":"delivered","recipient":"ada@example.com"}}`,
			},
		},
		"mandrill": {
			Sender:    "Mailchimp Transactional (Mandrill)",
			Source:    "[Authenticate webhook requests](https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/)",
			Secret:    "the webhook's key, from the page of webhooks",
			Handshake: "head",
			Schemes:   []Scheme{urlAndForm("X-Mandrill-Signature")},
		},
		"meta": {
			Sender:    "Meta (WhatsApp, Messenger, Instagram, Pages)",
			Source:    "[Webhooks](https://developers.facebook.com/docs/graph-api/webhooks/getting-started)",
			Secret:    "the app secret, under App settings, Basic",
			Handshake: "meta",
			KeyLength: 32,
			Schemes:   []Scheme{Default},
		},
		"ms-graph": {
			Sender:    "Microsoft Graph",
			Source:    "[Receive change notifications through webhooks](https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks)",
			Secret:    "the `clientState` that the subscription was made with",
			Handshake: "graph",
			Schemes:   []Scheme{{Alg: Token, Items: "value", Signature: Signature{JSON: "clientState"}}},
		},
		"ms-teams-outgoing": {
			Sender: "Microsoft Teams (outgoing webhooks)",
			Source: "[Create an outgoing webhook](https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-outgoing-webhook)",
			Secret: "the webhook's security token in base64, shown when it was created",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"Authorization"}, Prefix: "HMAC ", Encoding: Base64},
				Key:       KeyForm{Encoding: KeyBase64},
			}},
		},
		"mux": {
			Sender:  "Mux",
			Source:  "[Verify webhook signatures](https://www.mux.com/docs/core/verify-webhook-signatures)",
			Secret:  "the webhook's signing secret, under Settings, Webhooks",
			Schemes: []Scheme{timed("Mux-Signature", "t=", "v1=")},
		},
		"netlify": {
			Sender: "Netlify",
			Source: "[Deploy notifications](https://docs.netlify.com/site-deploys/notifications/)",
			Secret: "the JWS secret token of the notification as it was typed",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-Webhook-Signature"}, Encoding: JWT},
				BodyHash:  BodyHash{Claim: "sha256"},
			}},
		},
		"notion": {
			Sender: "Notion",
			Source: "[Webhooks](https://developers.notion.com/reference/webhooks)",
			Secret: "the subscription's `verification_token`, which Notion sends when it is created",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-Notion-Signature"}, Prefix: "sha256="},
			}},
		},
		"nylas": {
			Sender:    "Nylas",
			Source:    "[Using webhooks](https://developer.nylas.com/docs/v3/notifications/)",
			Secret:    "the webhook's secret, from the answer that created it",
			Handshake: "dropbox",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-Nylas-Signature"}},
			}},
		},
		"okta": {
			Sender:    "Okta",
			Source:    "[Event hooks](https://developer.okta.com/docs/concepts/event-hooks/)",
			Secret:    "the authentication secret of the hook; its authentication field must be `Authorization`",
			Handshake: "okta",
			Schemes:   []Scheme{{Alg: Token, Signature: Signature{Headers: []string{"Authorization"}}}},
		},
		"paddle": {
			Sender: "Paddle Billing",
			Source: "[Verify webhook signatures](https://developer.paddle.com/webhooks/signature-verification)",
			Secret: "the notification destination's secret key, with its `pdl_ntfset_`",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"Paddle-Signature"}, Split: ";", Prefix: "h1="},
				Signed:    "{time}:{body}",
				Time:      Time{SigPrefix: "ts=", Tolerance: 5 * time.Minute},
			}},
		},
		"pagerduty": {
			Sender: "PagerDuty",
			Source: "[Verifying signatures](https://developer.pagerduty.com/docs/verifying-webhook-signatures)",
			Secret: "the subscription's secret, shown when it was created",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-PagerDuty-Signature"}, Split: ",", Prefix: "v1="},
			}},
		},
		"paystack": {
			Sender: "Paystack",
			Source: "[Webhooks](https://paystack.com/docs/payments/webhooks/)",
			Secret: "the account's secret key, with its `sk_`",
			Schemes: []Scheme{{
				Alg:       SHA512,
				Signature: Signature{Headers: []string{"x-paystack-signature"}},
			}},
		},
		"polar": {
			// The key is the text of the secret, unlike that of other senders of
			// Standard Webhooks.
			Sender: "Polar",
			Source: "[Webhook delivery](https://polar.sh/docs/integrate/webhooks/delivery)",
			Secret: "the endpoint's secret, with its `polar_whs_`",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"webhook-signature"}, Split: " ", Prefix: "v1,", Encoding: Base64},
				Signed:    "{id}.{time}.{body}",
				Time:      Time{Source: Source{Header: "webhook-timestamp"}, Tolerance: 5 * time.Minute},
				ID:        Source{Header: "webhook-id"},
			}},
		},
		"pusher": {
			Sender: "Pusher Channels",
			Source: "[Webhooks](https://pusher.com/docs/channels/server_api/webhooks/)",
			Secret: "the secret of the app's key that `X-Pusher-Key` names",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-Pusher-Signature"}},
			}},
		},
		"quickbooks": {
			Sender: "Intuit QuickBooks",
			Source: "[Webhooks](https://developer.intuit.com/app/developer/qbo/docs/develop/webhooks)",
			Secret: "the app's verifier token, under Webhooks",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"intuit-signature"}, Encoding: Base64},
			}},
		},
		"razorpay": {
			Sender: "Razorpay",
			Source: "[Validate and test webhooks](https://razorpay.com/docs/webhooks/validate-test/)",
			Secret: "the webhook's secret as it was typed",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-Razorpay-Signature"}},
			}},
		},
		"sanity": {
			Sender: "Sanity",
			Source: "[sanity-io/webhook-toolkit](https://github.com/sanity-io/webhook-toolkit)",
			Secret: "the webhook's secret as it was typed",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"sanity-webhook-signature"}, Split: ",", Prefix: "v1=", Encoding: Base64URL},
				Signed:    "{time}.{body}",
				Time:      Time{SigPrefix: "t=", Format: UnixMS, Tolerance: 5 * time.Minute},
			}},
			Vector: Vector{
				Secret: `try-me`,
				At:     1633518820,
				Header: map[string]string{"sanity-webhook-signature": "t=1633518820676,v1=e7C9h2sfbFfc4V7TEz7PSOp4IoNzl0UdVsBV-1wgdeA"},
				Body:   `{"title":"GROQ-Hooks are neat"}`,
			},
		},
		"sendgrid": {
			Sender: "Twilio SendGrid (Event Webhook)",
			Source: "[Event Webhook security features](https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features)",
			Secret: "the webhook's verification key, a public key in base64",
			Schemes: []Scheme{{
				Alg:       ECDSA,
				Signature: Signature{Headers: []string{"X-Twilio-Email-Event-Webhook-Signature"}, Encoding: Base64},
				Signed:    "{time}{body}",
				Time:      Time{Source: Source{Header: "X-Twilio-Email-Event-Webhook-Timestamp"}, Tolerance: 5 * time.Minute},
				Key:       KeyForm{Encoding: KeySPKI},
			}},
		},
		"sentry": {
			Sender: "Sentry",
			Source: "[Webhooks](https://docs.sentry.io/organization/integrations/integration-platform/webhooks/)",
			Secret: "the client secret of the integration",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"Sentry-Hook-Signature"}},
			}},
		},
		"shopify": {
			Sender:    "Shopify",
			Source:    "[Webhooks](https://shopify.dev/docs/apps/build/webhooks)",
			Secret:    "the app's client secret; while it is rotated the old one too",
			KeyLength: 32,
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-Shopify-Hmac-Sha256"}, Encoding: Base64},
			}},
			Example: Example{
				Header: map[string]string{
					"X-Shopify-Topic":       "orders/create",
					"X-Shopify-Shop-Domain": "hello.myshopify.com",
				},
				Body: `{"id":820982911946154508,"email":"jon@example.com","currency":"EUR","total_price":"403.00","line_items":[{"title":"Tea","quantity":2}]}`,
			},
			Vector: Vector{
				Secret: `hush`,
				At:     0,
				Header: map[string]string{"X-Shopify-Hmac-Sha256": "hMTq0K2x7oyOjoBwGYeTj5oxfnaVYXzbanUG9aajpKI="},
				Body:   `"my secret message"`,
			},
		},
		"sinch": {
			Sender: "Sinch Conversation API",
			Source: "[Callbacks and webhooks](https://developers.sinch.com/docs/conversation/callbacks)",
			Secret: "the webhook's secret as it was given when it was created",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"x-sinch-webhook-signature"}, Encoding: Base64},
				Signed:    "{body}.{header:x-sinch-webhook-signature-nonce}.{time}",
				Time:      Time{Source: Source{Header: "x-sinch-webhook-signature-timestamp"}, Tolerance: 5 * time.Minute},
			}},
		},
		"slack": {
			Sender:    "Slack",
			Source:    "[Verifying requests from Slack](https://docs.slack.dev/authentication/verifying-requests-from-slack)",
			Secret:    "the app's signing secret, under Basic Information",
			Handshake: "slack",
			KeyLength: 32,
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-Slack-Signature"}, Prefix: "v0="},
				Signed:    "v0:{time}:{body}",
				Time:      Time{Source: Source{Header: "X-Slack-Request-Timestamp"}, Tolerance: 5 * time.Minute},
			}},
			Example: Example{
				Body: `{"type":"event_callback","team_id":"T0001","api_app_id":"A0001","event_id":"Ev0001","event":{"type":"app_mention","user":"U0001","channel":"C0001","text":"<@U0002> hello"}}`,
			},
			Vector: Vector{
				Secret: `8f742231b10e8888abcd99yyyzzz85a5`,
				At:     1531420618,
				Header: map[string]string{"X-Slack-Request-Timestamp": "1531420618", "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"},
				Body:   `token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c`,
			},
		},
		"snyk": {
			Sender:  "Snyk",
			Source:  "[Validation and versioning of payloads](https://docs.snyk.io/developer-tools/snyk-api/using-specific-snyk-apis/webhooks-apis/validation-and-versioning-of-payloads)",
			Secret:  "the webhook's secret as it was given when it was created",
			Schemes: []Scheme{hub(SHA256, "sha256=")},
		},
		"sonarqube": {
			Sender: "SonarQube",
			Source: "[Webhooks](https://docs.sonarsource.com/sonarqube-community-build/project-administration/webhooks)",
			Secret: "the webhook's secret as it was typed",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-Sonar-Webhook-HMAC-SHA256"}},
			}},
		},
		"sourcehut": {
			Sender: "SourceHut",
			Source: "[API conventions](https://man.sr.ht/api-conventions.md)",
			Secret: "the service's public key in base64",
			Schemes: []Scheme{{
				Alg:       Ed25519,
				Signature: Signature{Headers: []string{"X-Payload-Signature"}, Encoding: Base64},
				Signed:    "{body}{header:X-Payload-Nonce}",
				Key:       KeyForm{Encoding: KeyBase64},
			}},
		},
		"square": {
			Sender: "Square",
			Source: "[Validate and verify webhooks](https://developer.squareup.com/docs/webhooks/step3validate)",
			Secret: "the subscription's signature key",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"x-square-hmacsha256-signature"}, Encoding: Base64},
				Signed:    "{url}{body}",
			}},
		},
		"standard-webhooks": {
			Sender:    "any sender of Standard Webhooks",
			Source:    "[Standard Webhooks](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md)",
			Secret:    "the endpoint's signing secret with its `whsec_`, or the sender's public key with its `whpk_`",
			KeyLength: 32,
			Schemes: []Scheme{
				standardWebhooks("webhook"),
				asymmetricStandardWebhooks("webhook"),
			},
			Vector: Vector{
				Secret: `whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`,
				At:     1614265330,
				Header: map[string]string{"webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330", "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
				Body:   `{"test": 2432232314}`,
			},
		},
		"stripe": {
			Sender:    "Stripe",
			Source:    "[Resolve webhook signature verification errors](https://docs.stripe.com/webhooks/signature)",
			Secret:    "the endpoint's signing secret, with its `whsec_`",
			KeyLength: 38,
			Schemes:   []Scheme{timed("Stripe-Signature", "t=", "v1=")},
			Example: Example{
				Body: `{"id":"evt_1NG8Du2eZvKYlo2CUI79vXWy","object":"event","type":"payment_intent.succeeded","data":{"object":{"id":"pi_3NG8Du2eZvKYlo2C0bZ6b2jX","amount":2000,"currency":"eur"}}}`,
			},
		},
		"svix": {
			Sender:    "Svix, and those who send with it",
			Source:    "[Verifying webhooks manually](https://docs.svix.com/receiving/verifying-payloads/how-manual)",
			Secret:    "the endpoint's signing secret with its `whsec_`, or the public key with its `whpk_`",
			KeyLength: 38,
			Schemes: []Scheme{
				standardWebhooks("svix"),
				standardWebhooks("webhook"),
				asymmetricStandardWebhooks("svix"),
			},
		},
		"telegram": {
			Sender: "Telegram Bot API",
			Source: "[setWebhook](https://core.telegram.org/bots/api#setwebhook)",
			Secret: "the `secret_token` that was given to setWebhook",
			Schemes: []Scheme{{
				Alg:       Token,
				Signature: Signature{Headers: []string{"X-Telegram-Bot-Api-Secret-Token"}},
			}},
		},
		"telnyx": {
			Sender: "Telnyx",
			Source: "[Webhook fundamentals](https://developers.telnyx.com/development/api-fundamentals/webhooks/receiving-webhooks)",
			Secret: "the account's public key in base64, under Keys & Credentials",
			Schemes: []Scheme{{
				Alg:       Ed25519,
				Signature: Signature{Headers: []string{"telnyx-signature-ed25519"}, Encoding: Base64},
				Signed:    "{time}|{body}",
				Time:      Time{Source: Source{Header: "telnyx-timestamp"}, Tolerance: 5 * time.Minute},
				Key:       KeyForm{Encoding: KeyBase64},
			}},
		},
		"terraform-cloud": {
			Sender: "HCP Terraform",
			Source: "[Notification configurations](https://developer.hashicorp.com/terraform/cloud-docs/api-docs/notification-configurations)",
			Secret: "the notification's token as it was typed",
			Schemes: []Scheme{{
				Alg:       SHA512,
				Signature: Signature{Headers: []string{"X-TFE-Notification-Signature"}},
			}},
		},
		"tiktok": {
			Sender:  "TikTok for Developers",
			Source:  "[Webhook verification](https://developers.tiktok.com/doc/webhooks-verification)",
			Secret:  "the app's client secret",
			Schemes: []Scheme{timed("TikTok-Signature", "t=", "s=")},
		},
		"trello": {
			Sender:    "Trello",
			Source:    "[Webhooks](https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/)",
			Secret:    "the secret beside the API key of the Power-Up",
			Handshake: "head",
			Schemes: []Scheme{{
				Alg:       SHA1,
				Signature: Signature{Headers: []string{"X-Trello-Webhook"}, Encoding: Base64},
				Signed:    "{body}{url}",
			}},
		},
		"twilio": {
			Sender:    "Twilio",
			Source:    "[Webhooks security](https://www.twilio.com/docs/usage/webhooks/webhooks-security)",
			Secret:    "the account's auth token; while it is changed, the secondary one on a second line",
			KeyLength: 32,
			Schemes: []Scheme{
				{
					Alg:       SHA1,
					Signature: Signature{Headers: []string{"X-Twilio-Signature"}, Encoding: Base64},
					Signed:    "{url}",
					BodyHash:  BodyHash{Query: "bodySHA256"},
					AnyPort:   true,
				},
				urlAndForm("X-Twilio-Signature"),
			},
		},
		"twitch": {
			Sender:    "Twitch EventSub",
			Source:    "[Handling webhook events](https://dev.twitch.tv/docs/eventsub/handling-webhook-events/)",
			Secret:    "the `secret` that was given when the subscription was created",
			Handshake: "twitch",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"Twitch-Eventsub-Message-Signature"}, Prefix: "sha256="},
				Signed:    "{id}{time}{body}",
				Time:      Time{Source: Source{Header: "Twitch-Eventsub-Message-Timestamp"}, Format: RFC3339, Tolerance: 10 * time.Minute},
				ID:        Source{Header: "Twitch-Eventsub-Message-Id"},
			}},
			Example: Example{
				Header: map[string]string{
					"Twitch-Eventsub-Message-Type":         "notification",
					"Twitch-Eventsub-Subscription-Type":    "channel.follow",
					"Twitch-Eventsub-Subscription-Version": "2",
				},
				Body: `{"subscription":{"id":"f1c2a387-161a-49f9-a165-0f21d7a4e1c4","status":"enabled","type":"channel.follow","version":"2"},"event":{"user_login":"cooler_user","broadcaster_user_login":"cool_user","followed_at":"2025-02-01T10:11:12.634234626Z"}}`,
			},
			Vector: Vector{
				Secret: `s3cRe7`,
				At:     1573899072,
				Header: map[string]string{"Twitch-Eventsub-Message-Id": "e76c6bd4-55c9-4987-8304-da1588d8988b", "Twitch-Eventsub-Message-Timestamp": "2019-11-16T10:11:12.123Z", "Twitch-Eventsub-Message-Signature": "sha256=7e5a96480c29cdf834b371e7a5b049638cba6e425ea51b9b2a9fabf69bc5d227"},
				Body:   `{"challenge":"pogchamp-kappa-360noscope-vohiyo","subscription":{"id":"f1c2a387-161a-49f9-a165-0f21d7a4e1c4","status":"webhook_callback_verification_pending","type":"channel.follow","version":"1","condition":{"broadcaster_user_id":"12826"},"transport":{"method":"webhook","callback":"https://example.com/webhooks/callback"},"created_at":"2019-11-16T10:11:12.123Z"}}`,
			},
		},
		"typeform": {
			Sender: "Typeform",
			Source: "[Secure your webhooks](https://www.typeform.com/developers/webhooks/secure-your-webhooks/)",
			Secret: "the webhook's secret as it was typed",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"Typeform-Signature"}, Prefix: "sha256=", Encoding: Base64},
			}},
		},
		"vercel": {
			Sender: "Vercel",
			Source: "[Webhooks API](https://vercel.com/docs/webhooks/webhooks-api)",
			Secret: "the webhook's secret, shown when it was created; of an integration, its client secret",
			Schemes: []Scheme{{
				Alg:       SHA1,
				Signature: Signature{Headers: []string{"x-vercel-signature"}},
			}},
		},
		"viber": {
			Sender: "Viber",
			Source: "[REST bot API](https://developers.viber.com/docs/api/rest-bot-api/)",
			Secret: "the account's authentication token",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-Viber-Content-Signature"}},
			}},
		},
		"vonage": {
			Sender: "Vonage",
			Source: "[Decoding signed webhooks](https://developer.vonage.com/en/getting-started/concepts/webhooks)",
			Secret: "the account's signature secret, of the algorithm SHA-256 HMAC",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"Authorization"}, Prefix: "Bearer ", Encoding: JWT},
				BodyHash:  BodyHash{Claim: "payload_hash"},
				Time:      Time{Claim: "iat", Tolerance: 5 * time.Minute},
			}},
		},
		"websub": {
			Sender:    "any WebSub hub",
			Source:    "[WebSub, authenticated content distribution](https://www.w3.org/TR/websub/#authenticated-content-distribution)",
			Secret:    "the `hub.secret` that was given when subscribing",
			Handshake: "websub",
			Schemes: []Scheme{
				hub(SHA512, "sha512="),
				hub(SHA384, "sha384="),
				hub(SHA256, "sha256="),
				hub(SHA1, "sha1="),
			},
		},
		"wise": {
			Sender: "Wise",
			Source: "[Webhooks](https://docs.wise.com/api-docs/features/webhooks-notifications)",
			Secret: "Wise's public key in PEM",
			Schemes: []Scheme{{
				Alg:       RSA,
				Signature: Signature{Headers: []string{"X-Signature-SHA256"}, Encoding: Base64},
				Key:       KeyForm{Encoding: KeyPEM},
			}},
			Vector: Vector{
				Secret: `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqJbvKdFAiJIMQq6JJBJj
JotBbWUiwDGsn97OB9NEYJ3uzPaVvyNm4vd7oxfztBoT8zKtlr6uL8s5YTKihTzw
EaAuW9fDto+VNhdSULf/IhUuSk600gIjHjSZjPlKEGLXcVE2YHweadZniGO9q1cf
+K7iD3C7woZ4qNHoNq63fpQIT7qCD2n2ww0nEbz07VOKV4KcAuV/WzP/FkDYH+sj
A//vwx6racT+aHpXJsQrDsUE/TrYlAgiOwO/9VgcH8EhuGvuJwLnSUILZlSDSUez
PnxMT54sgPIqBux0sySFhoCg4G0YEcW8L3uKHiePuzVKHVAISuFILWdRSWQRjzJc
MQIDAQAB
-----END PUBLIC KEY-----`,
				At:     1740787200,
				Header: map[string]string{"X-Signature-SHA256": "MVFa+bEcjiXBQuLXaf8Fb6lLTVUTKYxFerbT3wIeiRLiPvq7VNFGLYPv2pEd8LRpgKI0eu7jABgrV+4NpIIulcgEQJcUAhEdgJHUhL8cXM4B8tYz2KD4Nm173SwFBYb6Y6kqOZGUmqwOdhOdY4bfLwPRW5hmvcZ9sC51oTsmTh0xv3IsIzFd/0KpOArIo6JeaWXZ5wmURkcOpjiXecSmdqIEorZjRVbCPETIlM7+A2NV4UIRAO8ThGDRUS4y5u2Z7lwCknfLHhZbt6esuXBzKLV+lTPykIzpM7d30EHLOowuuQT8Y8wGVWNoC+aRhev800JpS57xIzVmH6s33nT+Ag=="},
				Body:   `{"data":{"resource":{"type":"transfer","id":111},"current_state":"processing"},"event_type":"transfers#state-change"}`,
			},
		},
		"woocommerce": {
			Sender: "WooCommerce",
			Source: "[Webhooks](https://woocommerce.com/document/webhooks/)",
			Secret: "the webhook's secret as it was typed",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-WC-Webhook-Signature"}, Encoding: Base64},
			}},
		},
		"workos": {
			Sender: "WorkOS",
			Source: "[Webhooks](https://workos.com/docs/events/data-syncing/webhooks)",
			Secret: "the webhook endpoint's signing secret",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"WorkOS-Signature"}, Split: ",", Prefix: "v1="},
				Signed:    "{time}.{body}",
				Time:      Time{SigPrefix: "t=", Format: UnixMS, Tolerance: 5 * time.Minute},
			}},
		},
		"x-twitter": {
			Sender:    "X",
			Source:    "[Webhooks](https://docs.x.com/x-api/webhooks/introduction)",
			Secret:    "the app's consumer secret (API key secret)",
			Handshake: "x-crc",
			KeyLength: 50,
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"x-twitter-webhooks-signature"}, Prefix: "sha256=", Encoding: Base64},
			}},
		},
		"xero": {
			Sender: "Xero",
			Source: "[Configuring your webhooks server](https://developer.xero.com/documentation/guides/webhooks/configuring-your-server/)",
			Secret: "the app's webhooks key",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"x-xero-signature"}, Encoding: Base64},
			}},
		},
		"youtube": {
			Sender:    "YouTube push notifications",
			Source:    "[Subscribe to push notifications](https://developers.google.com/youtube/v3/guides/push_notifications)",
			Secret:    "the `hub.secret` that was given when subscribing",
			Handshake: "websub",
			Schemes:   []Scheme{hub(SHA1, "sha1=")},
		},
		"zendesk": {
			Sender: "Zendesk",
			Source: "[Verifying webhook authenticity](https://developer.zendesk.com/documentation/webhooks/verifying/)",
			Secret: "the webhook's signing secret",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"X-Zendesk-Webhook-Signature"}, Encoding: Base64},
				Signed:    "{time}{body}",
				Time:      Time{Source: Source{Header: "X-Zendesk-Webhook-Signature-Timestamp"}, Format: RFC3339, Tolerance: 5 * time.Minute},
			}},
		},
		"zoom": {
			Sender:    "Zoom",
			Source:    "[Webhooks](https://developers.zoom.us/docs/api/webhooks/)",
			Secret:    "the app's secret token, under Features, Access",
			Handshake: "zoom",
			Schemes: []Scheme{{
				Alg:       SHA256,
				Signature: Signature{Headers: []string{"x-zm-signature"}, Prefix: "v0="},
				Signed:    "v0:{time}:{body}",
				Time:      Time{Source: Source{Header: "x-zm-request-timestamp"}, Tolerance: 5 * time.Minute},
			}},
		},
	}
})

// standardWebhooks is the scheme of Standard Webhooks with a shared key. The
// names of its headers begin with "webhook", or as Svix has it.
func standardWebhooks(prefix string) Scheme {
	return Scheme{
		Alg:       SHA256,
		Signature: Signature{Headers: []string{prefix + "-signature"}, Split: " ", Prefix: "v1,", Encoding: Base64},
		Signed:    "{id}.{time}.{body}",
		Time:      Time{Source: Source{Header: prefix + "-timestamp"}, Tolerance: 5 * time.Minute},
		ID:        Source{Header: prefix + "-id"},
		Key:       KeyForm{Encoding: KeyBase64, StripPrefix: "whsec_"},
	}
}

// asymmetricStandardWebhooks is the scheme of Standard Webhooks with the
// sender's public key.
func asymmetricStandardWebhooks(prefix string) Scheme {
	s := standardWebhooks(prefix)
	s.Alg = Ed25519
	s.Signature.Prefix = "v1a,"
	s.Key.StripPrefix, s.Key.NeedsPrefix = "whpk_", true
	return s
}

// timed is the scheme that Stripe began and many took over: the time and the
// signatures are items of one header.
func timed(header, timePrefix, signaturePrefix string) Scheme {
	return Scheme{
		Alg:       SHA256,
		Signature: Signature{Headers: []string{header}, Split: ",", Prefix: signaturePrefix},
		Signed:    "{time}.{body}",
		Time:      Time{SigPrefix: timePrefix, Tolerance: 5 * time.Minute},
	}
}

// hub is the scheme of PubSubHubbub and WebSub.
func hub(alg Alg, prefix string) Scheme {
	return Scheme{Alg: alg, Signature: Signature{Headers: []string{"X-Hub-Signature"}, Prefix: prefix}}
}

// numbered returns names that end with 1 to n.
func numbered(prefix string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = prefix + strconv.Itoa(i+1)
	}
	return names
}

// urlAndForm is how Twilio signs the URL that it calls and the form that it
// sends there.
func urlAndForm(header string) Scheme {
	return Scheme{Alg: SHA1, Signature: Signature{Headers: []string{header}, Encoding: Base64}, Signed: "{url}{form}", AnyPort: true}
}

// adyenItem is what is signed of each item; what is not there is empty.
const adyenItem = "{json?:NotificationRequestItem.pspReference}:{json?:NotificationRequestItem.originalReference}:" +
	"{json?:NotificationRequestItem.merchantAccountCode}:{json?:NotificationRequestItem.merchantReference}:" +
	"{json?:NotificationRequestItem.amount.value}:{json?:NotificationRequestItem.amount.currency}:" +
	"{json?:NotificationRequestItem.eventCode}:{json?:NotificationRequestItem.success}"
