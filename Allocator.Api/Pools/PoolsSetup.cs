namespace Allocator.Api.Pools;

internal static class PoolsSetup
{
    public static void AddPools(this IHostApplicationBuilder builder) => builder.Services.AddSingleton<PoolStore>().AddSingleton<RosterStore>();
}
