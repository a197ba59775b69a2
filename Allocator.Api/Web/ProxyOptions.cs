using System.Net;
using Allocator.Api.Settings;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.Extensions.Options;

namespace Allocator.Api.Web;

/// <summary>The section <c>Proxies</c> of the configuration: who may say where a request came from.</summary>
internal sealed class ProxyOptions
{
    public const string Section = "Proxies";

    /// <summary>
    /// Addresses and networks (<c>10.0.0.0/8</c>) of the load balancers before the replicas. What they write into
    /// X-Forwarded-For is believed, what anybody else writes is not. Empty: a client is who connects.
    /// </summary>
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
            // However many of them stand in a row; the first that is not known is the client.
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
