//! Models on WebGPU: plans become programs of `model::webgpu`, one submission per run.

use std::cell::RefCell;
use std::rc::Rc;

use model::webgpu::Program;
use model::{Plan, Source, Tensor as Operand};
use wire::Fault;

use crate::backend::{Backend, File, LocalFuture, Session};
use crate::planned::{self, Planned};
use crate::tensor::Tensor;
use crate::value::Contract;

use self::device::Device;
use self::executable::{Executable, Weights};

mod buffer;
mod device;
mod executable;
mod fault;

/// The WebGPU backend: one device for all models of a worker.
#[derive(Default)]
pub(crate) struct WebgpuBackend {
    devices: Rc<Devices>,
}

/// The device in use.
#[derive(Default)]
struct Devices {
    current: RefCell<Option<Rc<Device>>>,
}

impl Devices {
    /// The device, or a new one when there is none or the last was lost.
    async fn get(&self) -> Result<Rc<Device>, Fault> {
        if let Some(device) = self.current.borrow().as_ref()
            && !device.is_lost()
        {
            return Ok(Rc::clone(device));
        }
        let device = Device::request().await?;
        *self.current.borrow_mut() = Some(Rc::clone(&device));
        Ok(device)
    }
}

impl Backend for WebgpuBackend {
    fn kind(&self) -> wire::Backend {
        wire::Backend::Webgpu
    }

    fn detail(&self) -> String {
        let device = self.devices.current.borrow();
        format!("webgpu {}", device.as_ref().map_or("without a device", |device| device.name()))
    }

    fn load(&self, file: File) -> LocalFuture<'_, Result<Box<dyn Session>, Fault>> {
        let devices = Rc::clone(&self.devices);
        Box::pin(async move {
            let session = WebgpuSession::load(file.as_ref(), devices).await?;
            Ok(Box::new(session) as Box<dyn Session>)
        })
    }
}

/// One model with its weights on the device.
struct WebgpuSession {
    planned: Planned<Executable>,
    devices: Rc<Devices>,
    resident: RefCell<Resident>,
}

/// What a session has on a device.
struct Resident {
    device: Rc<Device>,
    weights: Weights,
}

impl WebgpuSession {
    async fn load(file: &dyn Source, devices: Rc<Devices>) -> Result<Self, Fault> {
        let (planned, plan) = Planned::load(file)?;
        let device = devices.get().await?;
        let mut weights = Weights::default();
        if let Some(plan) = plan {
            // Uploads the weights now, and lets shaders compile while the caller gets its first input ready.
            let program = Program::new(&plan, &device.target()).map_err(|error| fault::lowering(&error))?;
            device.watched(|| weights.upload(&device, &program)).await?;
            device.compile(&program.shaders);
        }
        Ok(Self { planned, devices, resident: RefCell::new(Resident { device, weights }) })
    }

    /// The device that holds the model: after a loss a new one, which gets everything again.
    async fn device(&self) -> Result<Rc<Device>, Fault> {
        let device = self.devices.get().await?;
        let mut resident = self.resident.borrow_mut();
        if !Rc::ptr_eq(&resident.device, &device) {
            self.planned.forget();
            *resident = Resident { device: Rc::clone(&device), weights: Weights::default() };
        }
        Ok(device)
    }

    async fn prepare(&self, device: &Rc<Device>, plan: Plan) -> Result<Executable, Fault> {
        let program = Program::new(&plan, &device.target()).map_err(|error| fault::lowering(&error))?;
        let pipelines = device.pipelines(&program.shaders).await?;
        let build = || Executable::new(device, program, &pipelines, &mut self.resident.borrow_mut().weights);
        device.watched(build).await
    }

    async fn compute(&self, inputs: Vec<Tensor>, wanted: &[&str]) -> Result<Vec<Tensor>, Fault> {
        let device = self.device().await?;
        let operands: Vec<Operand> = self.planned.operands(inputs)?;
        let prepare = async |plan| self.prepare(&device, plan).await;
        let executable = self.planned.prepared(&operands, prepare).await?;
        // From here to the submission nothing waits, so that runs in flight cannot mix.
        let outputs = executable.run(&operands, wanted)?.await?;
        Ok(planned::outputs(wanted, outputs))
    }
}

impl Session for WebgpuSession {
    fn contract(&self) -> &Contract {
        self.planned.contract()
    }

    fn run<'a>(
        &'a self,
        inputs: Vec<Tensor>,
        wanted: &'a [&'a str],
    ) -> LocalFuture<'a, Result<Vec<Tensor>, Fault>> {
        Box::pin(self.compute(inputs, wanted))
    }
}
