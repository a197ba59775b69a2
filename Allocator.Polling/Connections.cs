using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Allocator.Polling;

/// <summary>How the client reaches the allocator.</summary>
internal static class Connections
{
    /// <summary>The addresses behind a load balancer's name change, and a name is looked up with a new connection only.</summary>
    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(5);

    public static SocketsHttpHandler Create(AllocatorClientOptions options)
    {
        var handler = new SocketsHttpHandler
        {
            PooledConnectionLifetime = options.ConnectionLifetime ?? Lifetime,
            ConnectTimeout = options.RequestTimeout,
            // A captive portal redirects; the allocator never does.
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

    /// <exception cref="CryptographicException">The file cannot be understood.</exception>
    public static X509Certificate2Collection ReadCertificates(string file)
    {
        var certificates = new X509Certificate2Collection();
        certificates.ImportFromPemFile(file);
        return certificates.Count > 0 ? certificates : throw new CryptographicException("there is no certificate (PEM) in it");
    }

    private static X509ChainPolicy Trust(X509Certificate2Collection roots, bool andNoOthers)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(roots);
        if (!andNoOthers)
        {
            using var system = new X509Store(StoreName.Root, StoreLocation.LocalMachine, OpenFlags.ReadOnly);
            policy.CustomTrustStore.AddRange(system.Certificates);
        }
        return policy;
    }
}
