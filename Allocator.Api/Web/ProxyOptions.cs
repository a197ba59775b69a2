using System.Net;
using Allocator.Api.Settings;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Web;

/// <summary>The section <c>Proxies</c> of the configuration: the load balancers whose <c>X-Forwarded-For</c> is trusted.</summary>
internal sealed class ProxyOptions
{
    public const string Section = "Proxies";

    [Setting("`Proxies:Known:<n>`: a load balancer whose `X-Forwarded-For` is trusted; empty: the client address is the TCP peer's.",
        Accepts = "addresses and networks, such as `10.0.0.0/8`")]
    public List<string> Known { get; set; } = [];

    internal sealed class Validator : IValidateOptions<ProxyOptions>
    {
        public ValidateOptionsResult Validate(string? name, ProxyOptions options)
        {
            var problems = new SettingProblems(Section);
            for (var i = 0; i < options.Known.Count; i++)
            {
                problems.Require(
                    IPAddress.TryParse(options.Known[i], out _) || System.Net.IPNetwork.TryParse(options.Known[i], out _),
                    $"Known:{i}", options.Known[i], "an IP address, or a network such as 10.0.0.0/8");
            }
            return problems.Result;
        }
    }

    internal sealed class Headers(IOptions<ProxyOptions> proxies) : IConfigureOptions<ForwardedHeadersOptions>
    {
        public void Configure(ForwardedHeadersOptions options)
        {
            options.ForwardedHeaders = proxies.Value.Known.Count > 0 ? ForwardedHeaders.XForwardedFor : ForwardedHeaders.None;
            // No limit on the number of proxies in a row: the first unknown address is the client.
            options.ForwardLimit = null;
            options.KnownProxies.Clear();
            options.KnownIPNetworks.Clear();
            foreach (var known in proxies.Value.Known)
            {
                if (IPAddress.TryParse(known, out var address))
                {
                    options.KnownProxies.Add(address);
                }
                else
                {
                    options.KnownIPNetworks.Add(System.Net.IPNetwork.Parse(known));
                }
            }
        }
    }
}
