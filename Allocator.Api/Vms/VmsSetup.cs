using Allocator.Api.Security;
using Allocator.Api.Settings;

namespace Allocator.Api.Vms;

internal static class VmsSetup
{
    public static void AddVms(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSettings<LivenessOptions, LivenessOptions.Validator>(LivenessOptions.Section);
        builder.Services.AddSingleton<VmStore>();
        builder.Services.AddSingleton<EnrolmentTokenStore>();
        builder.Services.AddSingleton<VmAdminStore>();
        builder.Services.AddCaller<EnrolmentAuthentication>(Callers.Enrolment);
        // The framework logs every refusal; RefusalLog counts them instead.
        builder.Logging.AddFilter(typeof(EnrolmentAuthentication).FullName, LogLevel.Warning);
    }
}
