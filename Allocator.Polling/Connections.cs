using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Allocator.Polling;

/// <summary>Creates the handlers for every request of the client, with its proxy and its authorities.</summary>
internal static class Connections
{
    /// <summary>The addresses behind a load balancer's name change, and only a new connection resolves the name again.</summary>
    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(5);

    public static SocketsHttpHandler Create(AllocatorClientOptions options)
    {
        var handler = new SocketsHttpHandler
        {
            PooledConnectionLifetime = options.ConnectionLifetime ?? Lifetime,
            ConnectTimeout = options.RequestTimeout,
            // Only a captive portal redirects; the allocator never does.
            AllowAutoRedirect = false,
            UseCookies = false,
        };
        if (options.Proxy is { } proxy)
        {
            handler.Proxy = proxy;
        }
        if (options.CaFile is { } file)
        {
            handler.SslOptions.CertificateChainPolicy = Trust(ReadCertificates(file), options.TrustsOnlyCaFile);
        }
        return handler;
    }

    /// <exception cref="CryptographicException">The file holds no certificates.</exception>
    public static X509Certificate2Collection ReadCertificates(string file)
    {
        var certificates = new X509Certificate2Collection();
        certificates.ImportFromPemFile(file);
        return certificates.Count > 0 ? certificates : throw new CryptographicException("there is no certificate (PEM) in it");
    }

    private static X509ChainPolicy Trust(X509Certificate2Collection roots, bool trustsOnlyThese)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(roots);
        if (!trustsOnlyThese)
        {
            using var system = new X509Store(StoreName.Root, StoreLocation.LocalMachine, OpenFlags.ReadOnly);
            policy.CustomTrustStore.AddRange(system.Certificates);
        }
        return policy;
    }
}
